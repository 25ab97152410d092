"""`narthex limit`."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.conftest import Invoke


def test_a_limit_is_made_changed_and_taken_away(home: Path, invoke: Invoke) -> None:
    """With dollars for money; what was made is listed."""
    (home / "narthex.toml").write_text('data_dir = "data"\n', encoding="utf-8")
    made = json.loads(
        invoke(
            *("limit", "create", "key", "*", "--measure", "cost_microusd", "--usd", "2.5", "--period", "month"),
            *("--alert", "80", "--alert", "100", "--workspace", "default", "--json"),
        ).stdout
    )
    assert (made["amount"], made["alert_percents"], made["workspace_id"]) == (2_500_000, [80, 100], "ws_default")
    changed = json.loads(invoke("limit", "edit", made["id"], "--amount", "7", "--soft", "--json").stdout)
    assert (changed["amount"], changed["hard"], changed["enabled"]) == (7, False, True)
    assert made["id"] in invoke("limit", "list", "--workspace", "default").stdout
    assert invoke("limit", "delete", made["id"]).exit_code == 0
    assert json.loads(invoke("limit", "list", "--json").stdout) == []
    assert invoke("limit", "delete", made["id"]).exit_code != 0


def test_subjects_are_found_by_their_names(home: Path, invoke: Invoke) -> None:
    """A workspace by its slug; what is not there is refused, as is what cannot hold."""
    (home / "narthex.toml").write_text('data_dir = "data"\n', encoding="utf-8")
    words = ("--measure", "parallel", "--amount", "3")
    made = json.loads(invoke("limit", "create", "workspace", "default", *words, "--json").stdout)
    assert (made["subject"], made["period"]) == ("ws_default", "total")
    assert "there is no workspace" in invoke("limit", "create", "workspace", "nowhere", *words).stderr
    assert "has no period" in invoke("limit", "create", "key", "*", *words, "--period", "day").stderr
    for wrong in (("--measure", "requests"), ("--measure", "requests", "--usd", "5")):
        answer = invoke("limit", "create", "key", "*", *wrong, "--period", "day")
        assert answer.exit_code == 2
        assert "--amount" in answer.stderr


def test_dollars_are_of_money_alone(home: Path, invoke: Invoke) -> None:
    """Also where a limit is changed; and what is no amount is none."""
    (home / "narthex.toml").write_text('data_dir = "data"\n', encoding="utf-8")
    words = ("--period", "day", "--json")
    made = json.loads(invoke("limit", "create", "key", "*", "--measure", "requests", "--amount", "3", *words).stdout)
    wrong = invoke("limit", "edit", made["id"], "--usd", "5")
    assert (wrong.exit_code, "--usd is of money" in wrong.stderr) == (2, True)
    for usd in ("nan", "inf"):
        answer = invoke("limit", "create", "key", "*", "--measure", "cost_microusd", "--usd", usd, *words)
        assert answer.exit_code == 2
