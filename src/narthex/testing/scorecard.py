"""How the calls of a catalogue ended, judged by what the caller got and what the provider saw."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

from narthex.testing.callers import Heard
from narthex.testing.catalogue import Form, Verdict
from narthex.testing.wall.asking import Wire

VERDICTS: tuple[Verdict, ...] = get_args(Verdict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """What may be told as a whole answer."""

    right: tuple[str, ...]
    """Every answer that is right."""
    said: str
    """What the provider said, which may be something else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What a call is worth, and why."""

    verdict: Verdict
    reason: str


def judge(heard: Heard, truth: Truth) -> Judgement:
    """Judge a call by what its caller got."""
    match heard.ended:
        case "hung":
            return _failed(f"no end within {heard.seconds:.1f} s")
        case "unreachable":
            return _failed("no answer at all")
        case "malformed":
            return _failed(f"status {heard.status}, but no answer on this wire")
        case "unfinished":
            return _failed("ended in good order without a reason to finish")
        case "refused":
            return Judgement(verdict="safe", reason=f"status {heard.status}: {heard.error or 'without a message'}")
        case "error_event" | "cut":
            return _judge_broken(heard, truth)
        case "whole":
            return _judge_whole(heard, truth)


def _judge_broken(heard: Heard, truth: Truth) -> Judgement:
    """Judge an answer that broke in the middle."""
    if not _is_part(heard.text, truth):
        return _failed("a wrong beginning, before it broke")
    how = f"an error: {heard.error}" if heard.ended == "error_event" else "the connection broke"
    if heard.text:
        return Judgement(verdict="partial", reason=f"{len(heard.text)} characters, then {how}")
    if heard.ended == "cut":
        return _failed("the connection broke before anything was said, without a word")
    return Judgement(verdict="safe", reason=how)


def _judge_whole(heard: Heard, truth: Truth) -> Judgement:
    """Judge an answer that was told as a whole one."""
    is_cut_short = heard.finish in ("content_filter", "length")
    if is_cut_short and _is_part(heard.text, truth):
        return Judgement(verdict="partial", reason=f"{len(heard.text)} characters, marked {heard.finish!r}")
    if heard.text in truth.right:
        return Judgement(verdict="rescued", reason="whole and right")
    if heard.text == truth.said:
        return Judgement(verdict="safe", reason="exactly what the provider said")
    if _is_part(heard.text, truth):
        return _failed(f"{len(heard.text)} characters of {len(truth.right[0])}, told as a whole answer")
    return _failed("a wrong answer")


def _is_part(text: str, truth: Truth) -> bool:
    # A call of a tool ends in a bracket that a part of its arguments lacks.
    bare = text.removesuffix(")")
    return any(whole.startswith((text, bare)) for whole in (*truth.right, truth.said))


def _failed(reason: str) -> Judgement:
    return Judgement(verdict="failed", reason=reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderView:
    """What the provider saw of a call."""

    attempts: int | None
    """Requests on the model that fails; None where an address fails that cannot see them."""
    rescues: int
    """Requests on other models."""
    abandoned: int
    """Attempts that were left before their end."""
    lingering: int
    """Attempts that still went on when the caller had its answer."""
    sent_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """One call of the catalogue."""

    name: str
    wire: Wire
    form: Form
    heard: Heard
    provider: ProviderView
    judgement: Judgement
    best: Verdict
    """The best that a gateway can do."""

    @property
    def verdict(self) -> Verdict:
        """What it is worth."""
        return self.judgement.verdict


@dataclass(frozen=True, slots=True)
class Scorecard:
    """All calls, in the order of the catalogue."""

    scores: tuple[Score, ...]

    @property
    def totals(self) -> dict[Verdict, int]:
        """How many calls ended with each verdict."""
        counts = Counter(score.verdict for score in self.scores)
        return {verdict: counts[verdict] for verdict in VERDICTS}

    @property
    def rescuable(self) -> int:
        """How many calls can be rescued at all."""
        return sum(score.best == "rescued" for score in self.scores)

    @property
    def has_failed(self) -> bool:
        """Whether any call failed."""
        return self.totals["failed"] > 0

    def by_name(self) -> dict[str, tuple[Score, ...]]:
        """Return the calls of each fault."""
        names = dict.fromkeys(score.name for score in self.scores)
        return {name: tuple(score for score in self.scores if score.name == name) for name in names}


def described(card: Scorecard) -> dict[str, object]:
    """Return a scorecard as JSON has it."""
    return {
        "object": "scorecard",
        "totals": card.totals,
        "calls": len(card.scores),
        "rescuable": card.rescuable,
        "data": [_described(score) for score in card.scores],
    }


def _described(score: Score) -> dict[str, object]:
    heard, provider = score.heard, score.provider
    return {
        "fault": score.name,
        "wire": score.wire,
        "form": score.form,
        "verdict": score.verdict,
        "best": score.best,
        "reason": score.judgement.reason,
        "caller": {
            "status": heard.status,
            "ended": heard.ended,
            "finish_reason": heard.finish,
            "error": heard.error,
            "characters": len(heard.text),
            "seconds": round(heard.seconds, 3),
            "first_byte_s": None if heard.first_s is None else round(heard.first_s, 3),
        },
        "provider": {
            "attempts": provider.attempts,
            "rescues": provider.rescues,
            "abandoned": provider.abandoned,
            "lingering": provider.lingering,
            "sent_bytes": provider.sent_bytes,
        },
    }


def summary(card: Scorecard) -> str:
    """Return the totals in one line."""
    parts = [f"{count} {verdict}" for verdict, count in card.totals.items()]
    rescued: Sequence[Score] = [score for score in card.scores if score.verdict == "rescued"]
    possible = sum(score.best == "rescued" for score in rescued)
    return f"{len(card.scores)} calls: {', '.join(parts)}; {possible} of {card.rescuable} that can be rescued were"
