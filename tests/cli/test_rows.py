"""Records on the terminal."""

from __future__ import annotations

import json

import click
import msgspec
import pytest

from narthex.cli.rows import duration_s, show_all, show_one, tags_of


class _Row(msgspec.Struct):
    id: str
    created_at: int | None
    digest: bytes
    tags: dict[str, str]


ROW = _Row("key_\x1b[1m", 1_700_000_000_000, b"secret", {"a": "b"})


def test_what_is_told_holds_no_digest_and_no_control_characters(capsys: pytest.CaptureFixture[str]) -> None:
    """Times are told as people write them."""
    show_all([ROW], ("id", "created_at"), as_json=False)
    show_one(ROW, as_json=False)
    told = capsys.readouterr().out
    assert "2023-11-14T22:13:20Z" in told
    assert "secret" not in told
    assert "\x1b" not in told
    show_one(ROW, as_json=True)
    assert json.loads(capsys.readouterr().out) == {
        "id": ROW.id,
        "created_at": "2023-11-14T22:13:20Z",
        "tags": {"a": "b"},
    }


def test_times_and_tags_are_read() -> None:
    """What is none is refused with how it is written."""
    assert [duration_s(one) for one in ("60s", "30m", "12h", "90d")] == [60, 1_800, 43_200, 7_776_000]
    assert tags_of(("a=b", "c=")) == {"a": "b", "c": ""}
    for wrong in ("", "1w", "-1d", "d"):
        with pytest.raises(click.BadParameter):
            duration_s(wrong)
    with pytest.raises(click.BadParameter):
        tags_of(("a",))
