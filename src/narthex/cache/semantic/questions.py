"""What a request asks, and the digest of everything else in it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection

import msgspec

from narthex.cache.semantic.contract import Category, Question
from narthex.cache.semantic.languages import language_of
from narthex.cache.semantic.marks import kind_of
from narthex.cache.semantic.normalising import normalised
from narthex.cache.semantic.words import PERSONAL_PHRASES, TIMELY, TIMELY_PHRASES
from narthex.types.messages import Message, Text
from narthex.types.requests import ChatRequest

_MOST_LETTERS = 900
"""What a small embedder surely reads whole: 256 tokens; beyond, two long questions would be cut to the same one."""
_LEAST_LETTERS = 4
_ENCODER = msgspec.json.Encoder(order="deterministic")
_WORD = re.compile(r"[\w-]+")
_TIMELY = re.compile(r"\b(?:" + "|".join(map(re.escape, TIMELY_PHRASES)) + r")\b")
_PERSONAL = re.compile(r"\b(?:" + "|".join(map(re.escape, PERSONAL_PHRASES)) + r")\b")
_SECRET = re.compile(r"[^\s@]{1,64}@[^\s@]+\.\w|\b(?:\d[ -]?){13,19}\b|\+?\d[\d -]{8,}\d")
_CODE = re.compile(
    r"```|[{};]\s*$|\b(?:python|javascript|typescript|sql|regex|java|rust|golang|bash|function|code|api|git|docker|css|html)\b",
    re.IGNORECASE | re.MULTILINE,
)


def question_of(
    request: ChatRequest,
    tenant: str,
    model: str,
    *,
    principal: str | None = None,
    safe_tools: Collection[str] = (),
) -> Question | None:
    """Return what a request asks; None where no other question may ever answer it.

    Those are: tools other than `safe_tools`, or their calls and results; images, sounds and files; words about now or
    about the one who asks; what is too long to be embedded whole; and requests for several answers or for log
    probabilities.

    Args:
        request: As it was parsed.
        tenant: Whose question it is; no other tenant's entry is ever looked at.
        model: The resolved model.
        principal: Who asks within the tenant; None is anonymous, whose entries serve nobody else.
        safe_tools: Tools that change nothing.
    """
    last = request.messages[-1] if request.messages else None
    if last is None or last.role != "user" or not _is_served(request, safe_tools):
        return None
    said = _text_of(last)
    text = normalised(said) if said is not None and len(said) <= 4 * _MOST_LETTERS else ""
    if not _LEAST_LETTERS <= len(text) <= _MOST_LETTERS or _is_fleeting(text):
        return None
    scope = _scope(request, tenant, model, language_of(text))
    return Question(scope=scope, tenant=tenant, text=text, category=category_of(text), principal=principal)


def category_of(text: str) -> Category:
    """Return what kind of question it is."""
    if _CODE.search(text):
        return "code"
    kind = kind_of(text)
    if kind in {"way", "reason"}:
        return "howto"
    if kind:
        return "fact"
    if re.match(r"(?:is|are|can|could|do|does|did|will|would|should|may|has|have|am|was|were)\b", text.lower()):
        return "choice"
    return "other" if text.endswith("?") else "order"


def _is_served(request: ChatRequest, safe_tools: Collection[str]) -> bool:
    """Tell whether a request's form allows an answer that was made for another."""
    if (request.n or 1) > 1 or request.logprobs or request.top_logprobs:
        return False
    is_off = request.tool_choice is not None and request.tool_choice.mode == "none"
    if not is_off and any(tool.name not in safe_tools for tool in request.tools):
        return False
    return all(isinstance(part, Text) for message in request.messages for part in message.parts)


def _text_of(message: Message) -> str | None:
    texts = [part.text for part in message.parts if isinstance(part, Text)]
    return "\n".join(texts) if texts else None


def _is_fleeting(text: str) -> bool:
    """Tell whether an answer is another one tomorrow, or for someone else."""
    lowered = text.lower()
    return bool(
        _TIMELY.search(lowered)
        or _PERSONAL.search(lowered)
        or _SECRET.search(text)
        or not TIMELY.isdisjoint(_WORD.findall(lowered))
    )


def _scope(request: ChatRequest, tenant: str, model: str, language: str) -> bytes:
    """Return the digest of everything but the last message, each part with its length before it."""
    parts: list[object] = [
        tenant,
        model,
        language,
        [_said(message) for message in request.messages[:-1]],
        request.messages[-1].name,
        [(tool.name, tool.description, tool.parameters, tool.strict) for tool in request.tools],
        request.tool_choice,
        request.response_format,
        request.reasoning,
        [request.max_output_tokens, request.temperature, request.top_p, request.top_k, request.stop, request.seed],
        [request.presence_penalty, request.frequency_penalty, request.logit_bias, request.parallel_tool_calls],
        request.extra,
        request.extra_dialect,
    ]
    return hashlib.blake2b(_ENCODER.encode(parts), digest_size=16, person=b"semantic-scope").digest()


def _said(message: Message) -> tuple[str, str | None, list[str]]:
    """Return one turn of the conversation, without what only the provider's cache looks at."""
    return message.role, message.name, [part.text for part in message.parts if isinstance(part, Text)]
