"""What was said in a session stays in order, and within its bound."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from narthex.errors import ContextTooLong, InvalidRequest
from narthex.wire.openai_realtime.conversation import Conversation
from narthex.wire.openai_realtime.items import Item, read_item
from narthex.wire.openai_realtime.shapes import ItemIn


def item(name: str, text: str = "x") -> Item:
    """Return an item of this ID."""
    said = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}], "id": name}
    return read_item(msgspec.convert(said, ItemIn), "")


@given(st.lists(st.tuples(st.integers(0, 9), st.none() | st.integers(-1, 9), st.booleans()), max_size=30))
def test_it_is_a_list_with_names(steps: list[tuple[int, int | None, bool]]) -> None:
    """Whatever is put in and taken out, the order is that of a plain list, and the weight that of what is in it."""
    conversation, model = Conversation(1_000_000), list[str]()
    for number, after, removes in steps:
        name = f"i{number}"
        place = None if after is None else "root" if after < 0 else f"i{after}"
        if removes:
            if name in model:
                conversation.remove(name)
                model.remove(name)
            else:
                with pytest.raises(InvalidRequest):
                    conversation.remove(name)
            continue
        if name in model or (place not in (None, "root") and place not in model):
            with pytest.raises(InvalidRequest):
                conversation.insert(item(name), after=place)
            continue
        before = conversation.insert(item(name), after=place)
        at = len(model) if place is None else 0 if place == "root" else model.index(place) + 1
        assert before == (model[at - 1] if at else None)
        model.insert(at, name)
    assert [one.id for one in conversation] == model
    assert len(conversation) == len(model)


def test_a_client_cannot_fill_it_beyond_its_bound() -> None:
    """What does not fit is refused; what the model says always fits, and counts; room comes back."""
    conversation = Conversation(400)
    conversation.insert(item("a", "x" * 100))
    spoken = item("b", "")
    assert conversation.append(spoken) == "a"
    conversation.weigh(spoken, 200)
    with pytest.raises(ContextTooLong, match="max_conversation_bytes"):
        conversation.insert(item("c"))
    with pytest.raises(ContextTooLong):
        conversation.check_room(len("x" * 400))
    conversation.remove("b")
    conversation.weigh(spoken, 500)
    conversation.insert(item("c"))
    assert conversation.find("c").id == "c"
