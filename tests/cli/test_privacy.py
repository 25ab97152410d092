"""`narthex privacy`."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest
from sqlalchemy import Connection

from narthex.cli.accounts import opened_accounts
from narthex.tenancy.acting import Acting
from narthex.tenancy.organisations import ensure_defaults
from narthex.tenancy.users import create_user
from narthex.types.accounts import DEFAULT_ORGANISATION
from tests.cli.accounts import made
from tests.cli.conftest import Invoke

EMAIL, NAME = "ada.lovelace@example.org", "Ada Lovelace"


@pytest.fixture
def folder(home: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A data folder with a person."""
    path = made(home / "data")
    monkeypatch.setenv("NARTHEX_DATA_DIR", path)

    def work(connection: Connection, acting: Acting) -> None:
        ensure_defaults(connection, acting)
        create_user(connection, acting, organisation_id=DEFAULT_ORGANISATION, name=NAME, email=EMAIL)

    with opened_accounts(None) as opened:
        opened.write(work)
    return path


def _holding(folder: Path, *traces: str) -> list[str]:
    """Return the files in which there is a trace."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return [path.name for path in files if any(trace.encode() in path.read_bytes() for trace in traces)]


def test_an_export_is_a_file_for_its_owner(invoke: Invoke, folder: str, home: Path) -> None:
    """Found by the e-mail address; that it was made stands in the audit log."""
    result = invoke("privacy", "export", EMAIL, "ada.zip", NARTHEX_DATA_DIR=folder)
    assert result.exit_code == 0, result.stderr
    with zipfile.ZipFile(home / "ada.zip") as archive:
        assert json.loads(archive.read("users.jsonl"))["name"] == NAME
    assert (home / "ada.zip").stat().st_mode & 0o777 == 0o600
    assert "privacy.export" in invoke("audit", "list", NARTHEX_DATA_DIR=folder).stdout
    unknown = invoke("privacy", "export", "nobody@example.org", NARTHEX_DATA_DIR=folder)
    assert (unknown.exit_code, "there is no user" in unknown.stderr) == (1, True)


def test_no_file_holds_an_erased_person(invoke: Invoke, folder: str) -> None:
    """Neither the database, nor its write-ahead log, nor a request log; and the audit log is whole."""
    logs = Path(folder, "logs")
    logs.mkdir()
    (logs / "requests.jsonl").write_text(json.dumps({"at": 1, "key": "app"}) + "\n")
    assert _holding(Path(folder), EMAIL, NAME) != []
    assert invoke("audit", "checkpoint", NARTHEX_DATA_DIR=folder).exit_code == 0
    result = invoke("privacy", "erase", EMAIL, "--yes", NARTHEX_DATA_DIR=folder)
    assert result.exit_code == 0, result.stderr
    assert "backups" in result.stderr
    assert _holding(Path(folder), EMAIL, NAME, "Lovelace", "lovelace") == []
    assert invoke("audit", "verify", NARTHEX_DATA_DIR=folder).exit_code == 0
    assert invoke("privacy", "erase", EMAIL, "--yes", NARTHEX_DATA_DIR=folder).exit_code == 1


def test_one_person_is_named(invoke: Invoke, folder: str) -> None:
    """Neither none nor two; and an end user of whom nothing is kept is told."""
    for words in ((), (EMAIL, "--end-user", "x")):
        assert invoke("privacy", "erase", *words, "--yes", NARTHEX_DATA_DIR=folder).exit_code == 2
    unknown = invoke("privacy", "erase", "--end-user", "x", "--yes", NARTHEX_DATA_DIR=folder)
    assert (unknown.exit_code, "nothing is kept" in unknown.stderr) == (1, True)
