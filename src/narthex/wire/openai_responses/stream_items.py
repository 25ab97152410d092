"""The items of an answer in the making: what is told of each as it grows, and what it is when it is done.

Nothing here knows sequence numbers or frames: each step is the name of an event and its members.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from narthex.types.answers import TokenLogprob
from narthex.wire.openai_responses.schema import Json
from narthex.wire.openai_responses.written import (
    call_item,
    message_item,
    reasoning_item,
    refusal_content,
    text_content,
    written_logprobs,
)

_OBJECT = msgspec.json.Decoder(dict[str, object])

Step = tuple[str, Json]
"""The name of an event without `response.`, and its members."""


class Item(Protocol):
    """One item of the answer's output."""

    @property
    def may_close(self) -> bool:
        """Whether it is whole as far as anyone can tell."""
        ...

    def begin(self) -> list[Step]:
        """Return the steps that announce it."""
        ...

    def end(self, status: str) -> list[Step]:
        """Return the steps that complete it."""
        ...

    def written(self, status: str) -> Json:
        """Return it as it stands."""
        ...


class Content:
    """A text or a refusal within a message."""

    def __init__(self, place: Json, *, refused: bool) -> None:
        self.place = place
        """`item_id`, `output_index` and `content_index`."""
        self.refused = refused
        self._pieces: list[str] = []
        self._logprobs: list[TokenLogprob] = []
        self._citations: list[Json] = []

    @property
    def text(self) -> str:
        """What was said so far."""
        return "".join(self._pieces)

    def begin(self) -> list[Step]:
        """Return the step that announces it."""
        return [("content_part.added", self.place | {"part": self.written()})]

    def add(self, text: str) -> None:
        """Take more text in."""
        self._pieces.append(text)

    def note(self, logprobs: Sequence[TokenLogprob], citations: Sequence[Json]) -> None:
        """Take in what is told about the text."""
        self._logprobs += logprobs
        self._citations += citations

    def cited(self, citation: Json) -> Step:
        """Return the step that tells where the text is from."""
        number = len(self.written()["annotations"]) - 1  # type: ignore[arg-type]  # a list, of a text
        return "output_text.annotation.added", self.place | {"annotation_index": number, "annotation": citation}

    def end(self) -> list[Step]:
        """Return the steps that complete it."""
        if self.refused:
            done: Step = ("refusal.done", self.place | {"refusal": self.text})
        else:
            told = {"text": self.text, "logprobs": written_logprobs(self._logprobs)}
            done = ("output_text.done", self.place | told)
        return [done, ("content_part.done", self.place | {"part": self.written()})]

    def written(self) -> Json:
        """Return it as it stands."""
        if self.refused:
            return refusal_content(self.text)
        return text_content(self.text, self._logprobs, self._citations)


class MessageItem:
    """What the model says."""

    may_close = True

    def __init__(self, item_id: str, index: int) -> None:
        self._place: Json = {"item_id": item_id, "output_index": index}
        self._id = item_id
        self._contents: dict[tuple[int, bool], Content] = {}

    def content(self, part: int, *, refused: bool) -> tuple[Content, list[Step]]:
        """Return the content that a part is, and the steps that complete the one before and announce this one."""
        known = self._contents.get((part, refused))
        if known is not None:
            return known, []
        steps = self._last()
        place = self._place | {"content_index": len(self._contents)}
        made = self._contents[part, refused] = Content(place, refused=refused)
        return made, steps + made.begin()

    def begin(self) -> list[Step]:
        """Return the step that announces it."""
        index = self._place["output_index"]
        return [("output_item.added", {"output_index": index, "item": message_item(self._id, [], "in_progress")})]

    def end(self, status: str) -> list[Step]:
        """Return the steps that complete it."""
        done: Step = ("output_item.done", {"output_index": self._place["output_index"], "item": self.written(status)})
        return [*self._last(), done]

    def written(self, status: str) -> Json:
        """Return it as it stands."""
        return message_item(self._id, [content.written() for content in self._contents.values()], status)

    def _last(self) -> list[Step]:
        last = next(reversed(self._contents.values()), None)
        return [] if last is None else last.end()


class ReasoningItem:
    """What the model thinks."""

    may_close = True

    def __init__(self, item_id: str, index: int) -> None:
        self._id = item_id
        self._index = index
        self._pieces: list[str] = []
        self._sealed: str | None = None

    def add(self, text: str) -> list[Step]:
        """Return the steps for more of a thought."""
        if not text:
            return []
        steps = [] if self._pieces else [("reasoning_summary_part.added", self._place() | {"part": _summary("")})]
        self._pieces.append(text)
        return [*steps, ("reasoning_summary_text.delta", self._place() | {"delta": text})]

    def seal(self, sealed: str) -> None:
        """Take in what only the provider can read."""
        self._sealed = sealed

    def begin(self) -> list[Step]:
        """Return the step that announces it."""
        return [("output_item.added", {"output_index": self._index, "item": self.written("in_progress")})]

    def end(self, status: str) -> list[Step]:
        """Return the steps that complete it."""
        text = "".join(self._pieces)
        steps: list[Step] = []
        if text:
            steps.append(("reasoning_summary_text.done", self._place() | {"text": text}))
            steps.append(("reasoning_summary_part.done", self._place() | {"part": _summary(text)}))
        return [*steps, ("output_item.done", {"output_index": self._index, "item": self.written(status)})]

    def written(self, status: str) -> Json:
        """Return it as it stands."""
        return reasoning_item(self._id, "".join(self._pieces), self._sealed, status)

    def _place(self) -> Json:
        return {"item_id": self._id, "output_index": self._index, "summary_index": 0}


class CallItem:
    """A tool that the model asks for."""

    def __init__(self, item_id: str, index: int, *, call_id: str, name: str) -> None:
        self._place: Json = {"item_id": item_id, "output_index": index}
        self._id = item_id
        self._call_id = call_id
        self._name = name
        self._pieces: list[str] = []

    @property
    def may_close(self) -> bool:
        """Whether the arguments are a whole JSON object."""
        try:
            _OBJECT.decode("".join(self._pieces))
        except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
            return False
        return True

    def add(self, arguments: str) -> list[Step]:
        """Return the step for more of the arguments."""
        self._pieces.append(arguments)
        return [("function_call_arguments.delta", self._place | {"delta": arguments})] if arguments else []

    def begin(self) -> list[Step]:
        """Return the step that announces it."""
        return [("output_item.added", self._told("in_progress"))]

    def end(self, status: str) -> list[Step]:
        """Return the steps that complete it."""
        told = self._place | {"name": self._name, "arguments": "".join(self._pieces)}
        return [("function_call_arguments.done", told), ("output_item.done", self._told(status))]

    def written(self, status: str) -> Json:
        """Return it as it stands."""
        return call_item(self._id, self._call_id, self._name, "".join(self._pieces), status)

    def _told(self, status: str) -> Json:
        return {"output_index": self._place["output_index"], "item": self.written(status)}


def _summary(text: str) -> Json:
    return {"type": "summary_text", "text": text}
