"""`narthex audit`."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

from tests.cli.accounts import made
from tests.cli.conftest import Invoke


def test_entries_are_listed_and_filtered(invoke: Invoke, home: Path) -> None:
    """For people in columns, for programs in JSON; who is behind a pseudonym only when asked."""
    folder = made(home / "data")
    text = invoke("audit", "list", NARTHEX_DATA_DIR=folder).stdout
    assert "user.create" in text
    assert "example.com" not in text
    words = ("audit", "list", "--target", "usr_1", "--since", "2020-01-01", "--json")
    (entry,) = json.loads(invoke(*words, NARTHEX_DATA_DIR=folder).stdout)["entries"]
    assert entry["persons"] == {}
    (entry,) = json.loads(invoke(*words, "--reveal", NARTHEX_DATA_DIR=folder).stdout)["entries"]
    assert list(entry["persons"].values()) == ["ada@example.com"]
    assert invoke("audit", "list", "--since", "monday", NARTHEX_DATA_DIR=folder).exit_code == 2


def test_entries_are_exported_a_line_each(invoke: Invoke, home: Path) -> None:
    """To a file or to standard output; that it was done is an entry itself."""
    folder = made(home / "data")
    invoke("audit", "export", "audit.jsonl", NARTHEX_DATA_DIR=folder)
    lines = [json.loads(line) for line in (home / "audit.jsonl").read_text().splitlines()]
    assert [line["seq"] for line in lines] == [1, 2, 3, 4]
    assert lines[3]["action"] == "audit.export"
    assert len(invoke("audit", "export", "--action", "user", NARTHEX_DATA_DIR=folder).stdout.splitlines()) == 3


def test_tampering_ends_with_one(invoke: Invoke, home: Path) -> None:
    """What was cut off after a checkpoint is told; without tampering it ends with 0."""
    folder = made(home / "data")
    assert invoke("audit", "checkpoint", NARTHEX_DATA_DIR=folder).stdout.startswith("entry 3, hash ")
    assert "nothing was added" in invoke("audit", "checkpoint", NARTHEX_DATA_DIR=folder).stdout
    (home / "audit.pem").write_text(invoke("audit", "public-key", NARTHEX_DATA_DIR=folder).stdout)
    words = ("audit", "verify", "--public-key", "audit.pem")
    whole = invoke(*words, NARTHEX_DATA_DIR=folder)
    assert (whole.exit_code, "all 3 entries are whole" in whole.stdout) == (0, True)
    assert "up to entry 3" in whole.stderr
    with closing(sqlite3.connect(home / "data" / "main.db")) as connection:
        connection.execute("DELETE FROM audit_entries WHERE seq = 3")
        connection.commit()
    cut = invoke(*words, NARTHEX_DATA_DIR=folder)
    assert cut.exit_code == 1
    assert cut.stdout == "row 3, of which there is a signed checkpoint, and all after 2 are gone\n"
    elsewhere = invoke("audit", "verify", "--checkpoints", "nowhere", "--json", NARTHEX_DATA_DIR=folder)
    assert (elsewhere.exit_code, json.loads(elsewhere.stdout)["checkpoints"]) == (0, 0)


def test_a_file_that_is_no_key_is_refused(invoke: Invoke, home: Path) -> None:
    """Nothing is checked against it."""
    (home / "key").write_text("x")
    result = invoke("audit", "verify", "--public-key", "key", NARTHEX_DATA_DIR=made(home / "data"))
    assert (result.exit_code, "no public key" in result.stderr) == (2, True)
