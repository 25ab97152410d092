"""From a session and what was said in it to one call of a model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from narthex.errors import InvalidRequest
from narthex.types.messages import Message, Text
from narthex.types.requests import ChatRequest
from narthex.wire.openai_realtime.conversation import Conversation
from narthex.wire.openai_realtime.items import Item, messages, read_item
from narthex.wire.openai_realtime.session import Session
from narthex.wire.openai_realtime.shapes import ItemIn

_REFERENCE = "item_reference"


def inputs(bodies: Sequence[ItemIn], conversation: Conversation, new_id: Callable[[], str]) -> list[Item]:
    """Return what one response shall go by instead of the conversation.

    Raises:
        InvalidRequest: An item is not of this API, or refers to one that is not there.
        UnsupportedContent: An item needs sound, or something that is not there.
    """
    items: list[Item] = []
    for index, body in enumerate(bodies):
        if body.type == _REFERENCE:
            items.append(conversation.find(body.id or ""))
        else:
            items.append(read_item(body, new_id(), f"response.input.{index}"))
    return items


def chat_request(session: Session, items: Iterable[Item], metadata: dict[str, str] | None) -> ChatRequest:
    """Return the call of a model for one response.

    Raises:
        InvalidRequest: There is nothing to answer.
    """
    said = messages(items)
    if session.instructions:
        said = (Message(role="system", parts=(Text(text=session.instructions),)), *said)
    if not said:
        raise InvalidRequest("there is nothing to answer: create an item first, or set instructions")
    limit = session.max_output_tokens
    return ChatRequest(
        model=session.model,
        messages=said,
        stream=True,
        include_usage=True,
        max_output_tokens=None if limit == "inf" else limit,
        tools=session.functions,
        tool_choice=session.choice,
        parallel_tool_calls=session.parallel_tool_calls if session.tools else None,
        reasoning=session.thinking,
        metadata=metadata,
    )
