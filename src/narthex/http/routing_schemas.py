"""The schemas of what the API tells of breakers, limits and decisions, and takes for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from narthex.http.schemas import COUNT, FLAG, NUMBER, TEXT, Json, complete, listed, nullable, one_of, record, ref, said
from narthex.pipeline.explain import AT_PATTERN, MAX_TOKENS, TAG_PATTERN
from narthex.routing.facts import MAX_TAG_CHARACTERS, MAX_TAGS
from narthex.types.merging import MERGE_MODES
from narthex.types.priorities import PRIORITIES

_PRIORITY: Final[Json] = one_of(*PRIORITIES)

_USAGE_WANTED: Final = record({"include_usage": nullable(FLAG)})
_REQUEST: Final = record({"model": nullable(TEXT), "stream": nullable(FLAG), "stream_options": nullable(_USAGE_WANTED)})
"""What is read of any body, whatever its surface."""
_TAG: Final[Json] = {**TEXT, "pattern": TAG_PATTERN, "maxLength": MAX_TAG_CHARACTERS}
_TAGS: Final = listed(_TAG, maxItems=MAX_TAGS)
_MODALITIES: Final = listed(one_of("image", "audio", "file"))
_OPERATION: Final = one_of("chat", "embed", "count_tokens")
_TOKENS: Final[Json] = {**COUNT, "maximum": MAX_TOKENS}
_MOMENT: Final[Json] = {**TEXT, "format": "date-time"}

_BREAKERS: Final[Mapping[str, Json]] = {
    "BreakerWish": complete({"state": {"enum": ["forced_open", "forced_closed", None]}}),
    "Breakers": complete({"object": {"const": "list"}, "data": listed(ref("Breaker"))}),
    "Breaker": complete(
        {
            "object": {"const": "breaker"},
            "name": said(TEXT, "`provider/model`, or `provider` for all of its models."),
            "scope": one_of("model", "provider"),
            "state": one_of("closed", "open", "half_open", "forced_open", "forced_closed"),
            "in_state_s": NUMBER,
            "cause": nullable(one_of("failing", "slow", "dead")),
            "calls": said(COUNT, "Calls ended within the window."),
            "failure_rate": {**NUMBER, "minimum": 0, "maximum": 1},
            "slow_rate": {**NUMBER, "minimum": 0, "maximum": 1},
            "consecutive_failures": COUNT,
            "openings": said(COUNT, "How often in a row it has opened."),
            "next_probe_in_s": nullable(NUMBER),
            "opened": said(COUNT, "How often it has opened by itself since the start."),
        }
    ),
    "Concurrencies": complete(
        {
            "object": {"const": "list"},
            "data": listed(ref("Concurrency")),
            "shedding": ref("Shedding"),
            "allowances": said(listed(ref("Allowance")), "What providers still allow, of models that tell it."),
        }
    ),
    "Allowance": complete(
        {
            "object": {"const": "allowance"},
            "name": said(TEXT, "`provider/model`."),
            "requests_limit": nullable(COUNT),
            "requests_left": said(nullable(COUNT), "Requests left, those under way taken off; null if not told."),
            "requests_reset_s": nullable(NUMBER),
            "tokens_limit": nullable(COUNT),
            "tokens_left": nullable(COUNT),
            "tokens_reset_s": nullable(NUMBER),
            "windowed": said(FLAG, "Whether nothing comes in before all of it does."),
            "held": said(COUNT, "Calls that waited for it."),
            "passed_on": said(COUNT, "Calls that went elsewhere, or were told when to come back."),
        }
    ),
    "Concurrency": complete(
        {
            "object": {"const": "concurrency"},
            "name": said(TEXT, "`provider/model`."),
            "limit": said(nullable(COUNT), "Calls at once; null where there is no limit."),
            "learned": said(FLAG, "Whether the provider taught it, and not the configuration alone."),
            "in_flight": COUNT,
            "waiting": COUNT,
            "refused": said(COUNT, "Calls that got no place in time."),
            "crowded": said(COUNT, "How often the provider said that there were too many calls."),
        }
    ),
    "Shedding": complete(
        {
            "takes": said(listed(_PRIORITY), "Of which priorities calls are taken now."),
            "lag_s": said(NUMBER, "How late the event loop is, if that lasts."),
            "active": said(COUNT, "Model calls under way."),
            "max_active": COUNT,
            "refused": listed(complete({"reason": one_of("lag", "active"), "priority": _PRIORITY, "calls": COUNT})),
        }
    ),
}

_DECISIONS: Final[Mapping[str, Json]] = {
    "RouteQuestion": record(
        {
            "model": said(nullable(TEXT), "As asked for; by default that of `request`, or the default model."),
            "request": said(nullable(_REQUEST), "The body of the call, or what is known of it."),
            "surface": {**one_of("openai.chat", "openai.responses", "anthropic.messages"), "default": "openai.chat"},
            "operation": {**_OPERATION, "default": "chat"},
            "tags": said(_TAGS, "As in `x-narthex-tags`."),
            "caller": said(nullable(TEXT), "Name of a key; by default that of this request."),
            "tenant": said(nullable(TEXT), "By default that of the key."),
            "conversation": said(nullable(TEXT), "As in `x-narthex-conversation`."),
            "streaming": nullable(FLAG),
            "input_tokens": nullable(_TOKENS),
            "modalities": nullable(_MODALITIES),
            "tools": said(nullable(FLAG), "Whether it offers tools."),
            "at": said(
                nullable({**_MOMENT, "pattern": AT_PATTERN}), "When it comes, with the offset from UTC; by default now."
            ),
        },
        additionalProperties=False,
    ),
    "RouteExplanation": complete(
        {
            "object": {"const": "route"},
            "asked": TEXT,
            "target": said(TEXT, "The model, virtual model or merge that it is sent to."),
            "rule": said(nullable(TEXT), "The rule that counts."),
            "percentage": said(NUMBER, "The part of the rule's calls that goes there."),
            "strategy": said(nullable(TEXT), "How the virtual model shares its calls."),
            "shadow": said(nullable(TEXT), "Who gets a copy."),
            "candidates": said(listed(ref("RouteCandidate")), "Who serves first, and who is next in line."),
            "draining": said(listed(TEXT), "Members of the virtual models in line that get no calls."),
            "model": said(
                nullable(TEXT), "Who would serve, `narthex/merge` for several; null if nobody is there, or may."
            ),
            "refused": said(nullable(TEXT), "Why the call would be refused, as its caller would be told."),
            "header": said(nullable(TEXT), "What `x-narthex-route` would say."),
            "rules": said(listed(ref("RouteVerdict")), "Every rule, in order."),
            "merge": said(nullable(ref("RouteMerge")), "Who is asked where a name stands for several models."),
            "facts": complete(
                {
                    "model": TEXT,
                    "operation": _OPERATION,
                    "tags": _TAGS,
                    "caller": TEXT,
                    "tenant": TEXT,
                    "streaming": FLAG,
                    "input_tokens": COUNT,
                    "modalities": _MODALITIES,
                    "tools": FLAG,
                    "at": _MOMENT,
                }
            ),
            "text": said(TEXT, "All of it, for people."),
        }
    ),
    "RouteMerge": complete(
        {
            "mode": said(one_of(*MERGE_MODES), "How their answers are made one, unless the call says otherwise."),
            "members": said(listed(ref("RouteExplanation")), "Where the call to each would go."),
            "judge": said(nullable(ref("RouteExplanation")), "Who chooses the best."),
        }
    ),
    "RouteCandidate": complete(
        {
            "model": TEXT,
            "reason": TEXT,
            "via": said(nullable(TEXT), "The virtual model it is a member of."),
            "fallback": FLAG,
            "known": said(FLAG, "Whether a provider has it."),
            "breaker": nullable(one_of("closed", "open", "half_open", "forced_open", "forced_closed")),
            "permitted": said(FLAG, "Whether the caller's key and workspace allow it."),
            "available": said(FLAG, "Whether a call would be sent to it now."),
            "key": said(nullable(TEXT), "ID of the provider's key that the call would be sent with first."),
        }
    ),
    "RouteVerdict": complete(
        {
            "name": TEXT,
            "outcome": one_of("matched", "not_matched", "not_asked"),
            "condition": said(nullable(TEXT), "The first option of its `when` that does not hold."),
            "why": nullable(TEXT),
            "drawn": said(FLAG, "Whether a percentage was drawn by lot: the next such call may go elsewhere."),
        }
    ),
}

ROUTING: Final[Mapping[str, Json]] = {**_BREAKERS, **_DECISIONS}
"""By their names in the document."""
