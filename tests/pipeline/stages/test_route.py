"""Which model serves a call."""

from __future__ import annotations

import json

import pytest

from narthex.errors import InvalidRequest, ModelNotFound
from narthex.pipeline.exchange import Exchange
from narthex.pipeline.stages.route import Route
from narthex.types.dialects import Dialect
from narthex.types.messages import Message, Text
from narthex.types.requests import ChatRequest
from tests.pipeline.doubles import CHAT, Double, House, exchange


def routed(call: Exchange, house: House) -> Exchange:
    """Send a call through the stage."""
    call.read_head()
    Route(house.catalog)(call)
    return call


def test_a_name_leads_to_its_model() -> None:
    """`provider/model` and aliases lead to a target; the caller's words stay as they are."""
    house = House(Double(), fast="up/m")
    call = routed(exchange({**CHAT, "model": "fast"}), house)
    assert call.target is not None
    assert (call.target.name, call.model_asked) == ("up/m", "fast")
    assert json.loads(call.body)["model"] == "fast"


@pytest.mark.parametrize("model", [{}, {"model": None}, {"model": ""}])
def test_a_call_without_a_model_gets_the_default(model: dict[str, object]) -> None:
    """Where no model is named, the default one is, in the body too: so it can be translated as any other."""
    body = {"messages": CHAT["messages"], **model}
    call = routed(exchange(body), House(Double(), default_model="up/m"))
    assert call.target is not None
    assert call.target.name == "up/m"
    assert call.chat_request().model == "up/m"
    assert call.model_asked == ""


def test_a_call_of_this_process_has_no_body_to_change() -> None:
    """In the inner vocabulary the default model is only looked up."""
    asked = ChatRequest(model="", messages=(Message(role="user", parts=(Text(text="Hi"),)),))
    call = routed(Exchange(Dialect.NATIVE, b"", {}, request=asked), House(Double(), default_model="up/m"))
    assert call.target is not None
    assert call.body == b""


def test_a_name_that_leads_nowhere_is_not_found() -> None:
    """An unknown name is not found; with no name and no default there is nothing to find."""
    with pytest.raises(ModelNotFound):
        routed(exchange({"model": "none/m"}), House(Double()))
    with pytest.raises(InvalidRequest) as raised:
        routed(exchange({}), House(Double()))
    assert raised.value.param == "model"
