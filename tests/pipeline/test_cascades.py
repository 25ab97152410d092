"""The checks of cascades are found by name, and what came of them is counted."""

from __future__ import annotations

from narthex.pipeline.cascades import Cascades
from narthex.routing.cascades import AnswerCheck
from narthex.routing.virtual import Member, VirtualModel

MEMBERS = (Member(model="a/m"), Member(model="b/m"))


def test_only_cascades_have_checks_and_new_ones_are_adopted() -> None:
    """After a reload the new checks hold, and the counters stay."""
    cascade = VirtualModel(name="thrifty", members=MEMBERS, strategy="cascade", check=AnswerCheck())
    plain = VirtualModel(name="plain", members=MEMBERS)
    cascades = Cascades([cascade, plain])
    before = cascades.checker("thrifty")
    assert before is not None
    assert cascades.checker("plain") is None
    cascades.note("thrifty", "a/m", "passed")
    cascades.note("thrifty", "a/m", "passed")
    cascades.note("thrifty", "a/m", "not_json")
    cascades.adopt(Cascades([cascade]))
    assert cascades.checker("thrifty") not in {None, before}
    assert list(cascades.lines())[2:] == [
        'narthex_cascade_answers_total{virtual="thrifty",model="a/m",check="not_json"} 1',
        'narthex_cascade_answers_total{virtual="thrifty",model="a/m",check="passed"} 2',
    ]
