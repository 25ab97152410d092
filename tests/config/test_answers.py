"""What cannot hold in registered answers is said, with its place."""

from __future__ import annotations

from narthex.config.answers import check_answers
from narthex.config.settings import AnswerSettings


def _unknown(name: str) -> str | None:
    return None if name in {"fast", "up/m"} else f'"{name}" is unknown'


def test_what_holds_is_passed() -> None:
    """A text for chats, and a function for anything, for models that there are."""
    given = [
        AnswerSettings(text="Later.", models=("fast", "up/m")),
        AnswerSettings(operation="embed", compute="json:dumps", models=("*",)),
    ]
    assert list(check_answers(given, unknown=_unknown)) == []


def test_each_contradiction_has_its_place() -> None:
    """Neither or both, a text for vectors, a function or a model that is not there, a pattern, nobody at all."""
    given = [
        AnswerSettings(),
        AnswerSettings(operation="embed"),
        AnswerSettings(text="a", compute="json:dumps"),
        AnswerSettings(text="a", operation="count_tokens"),
        AnswerSettings(compute="json:nothing"),
        AnswerSettings(text="a", models=("up/*", "up/m", "none")),
        AnswerSettings(text="a", models=()),
    ]
    found = [(path[1:], message.split(";")[0]) for path, message in check_answers(given, unknown=_unknown)]
    assert found == [
        ((0,), "there is no answer in it"),
        ((1,), "there is no answer in it"),
        ((2, "compute"), "there is a `text` already"),
        ((3, "text"), "a text answers chats only"),
        ((4, "compute"), 'the module "json" has no "nothing"'),
        ((5, "models", 0), "patterns are not understood"),
        ((5, "models", 2), '"none" is unknown'),
        ((6, "models"), "there are none"),
    ]
