"""In which language a question is asked."""

from __future__ import annotations

import pytest

from narthex.cache.semantic.languages import language_of


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("How do I reset my router?", "en"),
        ("Wie kann ich das Passwort ändern?", "de"),
        ("Comment est-ce que je peux payer?", "fr"),
        ("¿Cómo puedo pagar en línea?", "es"),
        ("Как сбросить пароль?", "cyrillic"),
        ("如何重置密码", "cjk"),
        ("Zürich Öffnungszeiten", "und"),
        ("reset router", "en"),
    ],
)
def test_language(text: str, language: str) -> None:
    """By common words, or by the script."""
    assert language_of(text) == language
