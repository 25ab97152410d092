"""The first configuration file."""

from __future__ import annotations

import re
from pathlib import Path

from narthex.cli.starter import starter_text
from narthex.config.load import load
from narthex.config.options import options


def test_it_changes_nothing(tmp_path: Path) -> None:
    """As it is written, all values are the defaults."""
    (tmp_path / "narthex.toml").write_text(starter_text())
    home = {"HOME": str(tmp_path)}
    loaded = load(environ=home, directory=tmp_path)
    (tmp_path / "empty").mkdir()
    assert loaded.settings == load(environ=home, directory=tmp_path / "empty").settings


def test_every_option_is_in_it() -> None:
    """Whoever reads the file has seen all there is."""
    text = starter_text()
    for option in options():
        if option.section is None and not {"*", "#"} & set(option.path):
            assert re.search(rf"^(?:# {option.path[-1]} = |# \[{option.path[-1]}\])", text, re.MULTILINE)


def test_what_is_commented_out_can_be_used(tmp_path: Path) -> None:
    """Without the comment signs it is a configuration that loads, where a path is given for each "…"."""
    text = re.sub(r"^# (?=\S+ = |\[)", "", starter_text(), flags=re.MULTILINE)
    text = re.sub(r"^tls_(?:cert|key) = .*$|^chat_model = .*$", "", text, flags=re.MULTILINE)
    (tmp_path / "narthex.toml").write_text(text.replace('"…"', '"folder"'))
    environ = {"HOME": str(tmp_path), "MY_APP_KEY": "0123456789abcdef", "GROQ_API_KEY": "gsk", "MASTER_KEY": "0" * 64}
    environ["OIDC_CLIENT_SECRET"] = "secret"
    loaded = load(environ=environ, directory=tmp_path)
    assert set(loaded.settings.providers) == {"groq", "my-vllm", "demo"}
    assert set(loaded.settings.aliases) == {"fast", "offline"}
