"""Which model serves a call."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from narthex.errors import BudgetSpent, InvalidRequest, ModelNotFound, Overloaded
from narthex.pipeline.exchange import Exchange
from narthex.pipeline.stages.route import Route
from narthex.providers.contract import PartialTimeouts
from narthex.routing.budgets import Budget
from narthex.routing.pacing import Spending
from narthex.routing.router import Router
from narthex.routing.virtual import Member, VirtualModel
from narthex.types.dialects import Dialect
from narthex.types.messages import Message, Text
from narthex.types.requests import ChatRequest
from tests.pipeline.doubles import CHAT, Double, House, exchange, surroundings


def routed(call: Exchange, house: House) -> Exchange:
    """Send a call through the stage."""
    call.read_head()
    Route(house.catalog, house.router)(call)
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


MEMBERS = (Member(model="up/m"), Member(model="b/m", tier=2))


def house_of(*members: Member) -> House:
    """Return an engine with a virtual model."""
    house = House(Double(), Double(name="b"), fast="quick")
    model = VirtualModel(name="quick", members=members, fallbacks=("b/last",))
    house.router.adopt(Router(*surroundings(house.catalog), models=[model]))
    return house


@pytest.mark.parametrize("name", ["quick", "fast"])
def test_a_virtual_model_is_decided_and_explained(name: str) -> None:
    """A plain name leads to the first of its members, with the others and the reasons on the exchange."""
    call = routed(exchange({**CHAT, "model": name}), house_of(*MEMBERS))
    assert call.target is not None
    assert call.plan is not None
    assert call.target.name == "up/m"
    assert [one.name for one in call.plan.candidates] == ["up/m", "b/m", "b/last"]
    assert call.plan.header() == "via=quick; by=order; to=up/m,b/m,b/last"


def test_plain_names_have_no_plan() -> None:
    """Where there is nothing to decide, nothing is made."""
    assert routed(exchange(CHAT), house_of(*MEMBERS)).plan is None


def test_members_that_are_gone_are_passed_over() -> None:
    """A member whose provider does not know it takes nobody else away; if all are gone the first is named."""
    gone = Member(model="nobody/m")
    call = routed(exchange({**CHAT, "model": "quick"}), house_of(gone, *MEMBERS))
    assert call.target is not None
    assert call.target.name == "up/m"
    house = House(Double())
    house.router.adopt(Router(*surroundings(house.catalog), models=[VirtualModel(name="quick", members=(gone,))]))
    with pytest.raises(ModelNotFound, match="nobody/m"):
        routed(exchange({**CHAT, "model": "quick"}), house)


def test_where_all_members_drain_nobody_serves() -> None:
    """A virtual model that was emptied says so, and when to come back."""
    house = House(Double())
    draining = VirtualModel(name="quick", members=(Member(model="up/m", draining=True),))
    house.router.adopt(Router(*surroundings(house.catalog), models=[draining]))
    with pytest.raises(Overloaded, match="draining"):
        routed(exchange({**CHAT, "model": "quick"}), house)


def test_a_spent_budget_is_told_as_one() -> None:
    """Where it leaves the call to nobody the caller hears when the next period begins; fallbacks serve meanwhile."""
    house = House(Double())
    means, around = surroundings(house.catalog)
    spending = Spending(lambda: 1_000_000 * 3_600.0, lambda _name: None)
    around = replace(around, spending=spending)
    budget = Budget(microusd=1, period="hour", on_empty="refuse")
    careful = VirtualModel(name="careful", members=MEMBERS[:1], strategy="paced", budget=budget)
    house.router.adopt(Router(means, around, models=[careful]))
    assert routed(exchange({**CHAT, "model": "careful"}), house).target is not None
    spending.purse("careful", budget).pay(1_000_000)
    with pytest.raises(BudgetSpent) as raised:
        routed(exchange({**CHAT, "model": "careful"}), house)
    assert (raised.value.status, raised.value.retry_after_s) == (429, 3_600)
    house.router.adopt(Router(means, around, models=[replace(careful, fallbacks=("up/last",))]))
    call = routed(exchange({**CHAT, "model": "careful"}), house)
    assert call.target is not None
    assert call.target.name == "up/last"


def test_a_virtual_model_has_limits_of_time_for_its_calls() -> None:
    """They hold whichever member serves; what the caller sets comes before them; plain names are not touched."""
    house = house_of(*MEMBERS)
    house.catalog.virtual_limits = {"quick": PartialTimeouts(idle_s=3, headers_s=4, total_s=50)}
    call = routed(exchange({**CHAT, "model": "fast"}), house)
    assert (call.total_s, call.limits) == (50, house.catalog.virtual_limits["quick"])
    call = exchange({**CHAT, "model": "quick"})
    call.total_s, call.limits = 20, PartialTimeouts(idle_s=1)
    routed(call, house)
    assert call.total_s == 20
    assert call.limits == PartialTimeouts(idle_s=1, headers_s=4, total_s=50)
    assert routed(exchange(CHAT), house).limits is None
