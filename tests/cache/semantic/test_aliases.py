"""Pairs that were judged, and those that wait."""

from __future__ import annotations

from narthex.cache.semantic.aliases import Aliases, GreyZone
from narthex.cache.semantic.contract import Pair


def pair(question: str, entry: int = 1) -> Pair:
    """Return a pair."""
    return Pair(
        entry=entry, scope=b"s", question=question, known="known", category="howto", score=1.0, was_served=False
    )


def test_an_approved_pair_answers_until_it_is_revoked() -> None:
    """However it is typed; a verdict against it, or a word of the operator's, ends it."""
    aliases = Aliases()
    aliases.judged(pair("Reset it, how?"), same=True)
    assert aliases.entry_of(b"s", "reset it, HOW") == 1
    assert aliases.entry_of(b"t", "reset it, how") is None
    assert aliases.revoke(b"s", "reset it, how")
    assert not aliases.revoke(b"s", "reset it, how")
    aliases.judged(pair("Reset it, how?"), same=True)
    aliases.judged(pair("Reset it, how?"), same=False)
    assert aliases.entry_of(b"s", "reset it, how") is None
    assert aliases.is_refused(pair("reset it, how"))
    assert not aliases.is_refused(pair("reset it, how", entry=2))
    aliases.judged(pair("Reset it, how?"), same=True)
    assert not aliases.is_refused(pair("reset it, how"))


def test_verdicts_are_bounded() -> None:
    """The oldest go."""
    aliases = Aliases(most=2)
    for number in range(4):
        aliases.judged(pair(f"{number}"), same=True)
        aliases.judged(pair(f"not {number}"), same=False)
    assert len(aliases) == 2
    assert aliases.entry_of(b"s", "0") is None
    assert not aliases.is_refused(pair("not 0"))
    assert aliases.is_refused(pair("not 3"))


async def test_the_grey_zone_is_judged_one_by_one() -> None:
    """Each pair once; a judge that cannot tell, or fails, decides nothing."""
    grey, verdicts = GreyZone(most=3), list[tuple[str, bool]]()
    for text in ("a", "A", "b", "c", "d"):
        grey.put(pair(text))
    assert len(grey) == 3

    async def judge(question: str, known: str) -> bool | None:
        assert known == "known"
        if question == "b":
            raise OSError("gone")
        return True if question == "a" else None

    while await grey.judge_next(judge, lambda judged, same: verdicts.append((judged.question, same))):
        pass
    assert verdicts == [("a", True)]
    grey.put(pair("a"))
    assert len(grey) == 1
    assert grey.take().question == "a"
    assert len(grey) == 0
