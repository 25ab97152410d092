"""Requests and vectors for the tests of the semantic cache."""

from __future__ import annotations

import hashlib
import random

from narthex.cache.semantic.contract import Question
from narthex.cache.semantic.embedding import unit
from narthex.cache.semantic.questions import question_of
from narthex.cache.semantic.words import FUNCTION, QUESTIONS
from narthex.types.messages import Message, Role, Text
from narthex.types.requests import ChatRequest

DIMENSIONS = 32


def said(role: Role, text: str) -> Message:
    """Return one turn."""
    return Message(role=role, parts=(Text(text=text),))


def request(*texts: str, system: str | None = None, **options: object) -> ChatRequest:
    """Return a conversation in which the user speaks first and last."""
    roles: tuple[Role, Role] = ("user", "assistant")
    turns = [said(roles[number % 2], text) for number, text in enumerate(texts)]
    first = [said("system", system)] if system is not None else []
    return ChatRequest(model="m", messages=(*first, *turns), **options)  # type: ignore[arg-type]  # its own fields


def floats(text: str) -> list[float]:
    """Return a vector that is near for texts with the same words: a sum of one direction for each."""
    total = [0.0] * DIMENSIONS
    for word in text.lower().replace("?", "").split():
        chance = random.Random(hashlib.blake2b(word.encode(), digest_size=8).digest())
        for place in range(DIMENSIONS):
            total[place] += chance.gauss(0, 1) / (6 if word in FUNCTION or word in QUESTIONS else 1)
    return total


def vector(text: str) -> bytes:
    """Return it with a length of one, as it is held."""
    made = unit(floats(text))
    assert made is not None
    return made


def ask(text: str, *before: str, tenant: str = "acme", principal: str | None = "ann") -> Question:
    """Return an embedded question."""
    question = question_of(request(*before, text), tenant, "model", principal=principal)
    assert question is not None, text
    return question.embedded(vector(question.text), "test/1")
