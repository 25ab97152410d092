"""What a rule says of a call, in words: that it is about it, or the first condition that does not hold."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Literal

import msgspec

from narthex.routing.conditions import WEEKDAYS, Hours, When, zone_of
from narthex.routing.facts import Facts


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one rule."""

    rule: str
    outcome: Literal["matched", "not_matched", "not_asked"]
    """`not_asked` stands behind the one that matched."""
    condition: str = ""
    """The first option of its `when` that does not hold."""
    why: str = ""
    """In one short sentence without a full stop."""
    drawn: bool = False
    """Whether a percentage was drawn by lot: the next such call may stand on another side."""

    @property
    def text(self) -> str:
        """The verdict as people read it."""
        lot = ", drawn by lot as nothing is known by which it could be kept" if self.drawn else ""
        match self.outcome:
            case "matched":
                return f"yes{lot}"
            case "not_matched":
                return f"no: {self.why} (`{self.condition}`){lot}"
            case "not_asked":
                return "not asked: a rule before it counts"


def why_not(option: str, when: When, facts: Facts, *, now: float) -> str:
    """Return why a condition does not hold of a call.

    Args:
        option: The option of `when` that says so.
        when: All conditions of the rule.
        facts: What is known of the call.
        now: When it comes, in seconds of Unix time.
    """
    match option:
        case "operations":
            return f"this is {facts.operation}, not {_either(when.operations)}"
        case "streaming":
            return "the answer is streamed" if facts.streaming else "the answer is not streamed"
        case "models":
            return f"{facts.model or 'the default model'} is not {_either(when.models)}"
        case "tags":
            return f"lacks {_all(sorted(set(when.tags) - facts.tags))}"
        case "callers":
            return f"{facts.caller or 'an unnamed caller'} is not {_either(when.callers)}"
        case "tenants":
            return f"{facts.tenant or 'no tenant'} is not {_either(when.tenants)}"
        case _:
            return _why_not_found(option, when, facts, now)


def _why_not_found(option: str, when: When, facts: Facts, now: float) -> str:
    match option:
        case "tools":
            return "it offers tools" if facts.tools() else "it offers no tools"
        case "modalities":
            return f"it carries {_all(sorted(facts.modalities())) or 'text alone'}, not {_either(when.modalities)}"
        case "min_input_tokens":
            return f"about {facts.input_tokens()} tokens, fewer than {when.min_input_tokens}"
        case "max_input_tokens":
            return f"about {facts.input_tokens()} tokens, more than {when.max_input_tokens}"
        case "percentage":
            return f"it is not in the {when.percentage:g} % that this is about"
        case _:
            return _why_not_now(when, now)


def _why_not_now(when: When, now: float) -> str:
    moment = datetime.fromtimestamp(now, zone_of(when.time_zone))
    comes = f"{WEEKDAYS[moment.weekday()]} {moment:%H:%M}, {when.time_zone}"
    wanted = [_either(when.weekdays)] if when.weekdays else []
    wanted += [_either(map(_span, when.hours))] if when.hours else []
    return f"it is {comes}, not {' within '.join(wanted)}"


def _span(hours: Hours) -> str:
    return f"{hours.start}-{hours.end}"


def _either(words: Iterable[str]) -> str:
    return " or ".join(words)


def _all(words: Iterable[str]) -> str:
    return " and ".join(words)
