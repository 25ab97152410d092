"""What a prompt may ask of the script, where `directives` is on.

[[reply text]]      answer this text        [[tokens 200]]   answer so many tokens
[[call_tool name]]  call this tool          [[fail 503]]     any scenario, with its fields
"""

from __future__ import annotations

from dataclasses import replace

from narthex.errors import Failure, ProviderRejected
from narthex.providers.scripted.answers import Wishes
from narthex.providers.scripted.options import ToolCallScript
from narthex.providers.scripted.prompts import Prompt
from narthex.testing.scenarios import (
    SCENARIOS,
    WIRE_ONLY,
    BadDirective,
    Scenario,
    find_directives,
    scenario_from_directive,
    without_directives,
)

_OWN = ("reply", "tokens", "call_tool")
_ACROSS_CALLS = ("flap", "limits")
_NAMES = frozenset(_OWN) | frozenset(SCENARIOS)
_MOST_TOKENS = 1_000_000


def read_directives(prompt: Prompt, provider: str) -> tuple[Prompt, Wishes, list[Scenario]]:
    """Return the prompt without its directives, what they ask of the answer, and what shall go wrong.

    What stands in `[[…]]` under another name is left alone: it is the prompt's own.

    Raises:
        ProviderRejected: A directive is not written as it must be.
    """
    wishes = Wishes()
    scenarios: list[Scenario] = []
    try:
        for name, arguments in find_directives(prompt.text):
            if name in _OWN:
                wishes = _wish(wishes, name, arguments)
            elif name in SCENARIOS:
                scenarios.append(_scenario(name, arguments))
    except BadDirective as error:
        raise ProviderRejected(str(error), provider=provider, failure=Failure.INVALID_REQUEST) from error
    return replace(prompt, text=without_directives(prompt.text, _NAMES)), wishes, scenarios


def _wish(wishes: Wishes, name: str, arguments: str) -> Wishes:
    match name:
        case "reply":
            return replace(wishes, reply=arguments)
        case "tokens":
            if not arguments.isdecimal() or not 1 <= int(arguments) <= _MOST_TOKENS:
                raise BadDirective(f"[[tokens]] takes a number from 1 to {_MOST_TOKENS}, not {arguments!r}")
            return replace(wishes, tokens=int(arguments))
        case _:
            return replace(wishes, tool=ToolCallScript(name=arguments or None))


def _scenario(name: str, arguments: str) -> Scenario:
    if name in _ACROSS_CALLS:
        raise BadDirective(f"[[{name}]] goes over many calls: put it among the `faults` of the script")
    if name in WIRE_ONLY:
        raise BadDirective(f"[[{name}]] needs a socket: an answer made inside the server cannot show it")
    return scenario_from_directive(name, arguments)
