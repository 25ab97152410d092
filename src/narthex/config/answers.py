"""What cannot hold in registered answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from narthex.config.functions import NoFunction, function_at
from narthex.config.origins import KeyPath
from narthex.config.settings import AnswerSettings

EVERY = "*"


def check_answers(
    answers: Sequence[AnswerSettings], *, unknown: Callable[[str], str | None]
) -> Iterator[tuple[KeyPath, str]]:
    """Yield where in the configuration something cannot hold, and why, with the remedy; imports the functions named.

    Args:
        answers: In their order.
        unknown: Why a name leads to no model.
    """
    for index, answer in enumerate(answers):
        path: KeyPath = ("answers", index)
        yield from _check_content(path, answer)
        yield from _check_models(path, answer, unknown)


def _check_content(path: KeyPath, answer: AnswerSettings) -> Iterator[tuple[KeyPath, str]]:
    if answer.text is None and answer.compute is None:
        remedy = "give it `text` or `compute`" if answer.operation == "chat" else "give it `compute`"
        yield path, f"there is no answer in it; {remedy}"
    if answer.text is not None and answer.compute is not None:
        yield (*path, "compute"), "there is a `text` already; keep one of the two"
    elif answer.text is not None and answer.operation != "chat":
        yield (*path, "text"), f'a text answers chats only; give `compute` for "{answer.operation}"'
    if answer.compute is not None:
        try:
            function_at(answer.compute)
        except NoFunction as error:
            yield (*path, "compute"), str(error)


def _check_models(
    path: KeyPath, answer: AnswerSettings, unknown: Callable[[str], str | None]
) -> Iterator[tuple[KeyPath, str]]:
    if not answer.models:
        yield (*path, "models"), f'there are none; name at least one, or leave it out for "{EVERY}"'
    for number, name in enumerate(answer.models):
        if name == EVERY:
            continue
        if EVERY in name:
            yield (*path, "models", number), f'patterns are not understood; name each model, or write "{EVERY}" for all'
        elif reason := unknown(name):
            yield (*path, "models", number), reason
