"""Every code block of the documentation does what its page says."""

from __future__ import annotations

import ast
import configparser
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from narthex.config.load import load
from tests.docs import blocks
from tests.docs.blocks import Block
from tests.docs.conftest import Place

KNOWN = {"python", "console", "toml", "json", "ini", "text"}
"""Languages of blocks that are run or checked; `text` is for drawings."""


@pytest.mark.embedded
@pytest.mark.timeout(180)
@pytest.mark.parametrize("block", blocks.all_blocks("python"), ids=str)
def test_python_blocks_run(block: Block, place: Place) -> None:
    """Each program of the pages runs to its end, against a real server and a real model, and prints something."""
    ran = subprocess.run(
        [sys.executable, "-c", place.placed(block.text)],
        cwd=place.folder,
        env=place.environment(),
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.strip()


@pytest.mark.embedded
@pytest.mark.timeout(180)
@pytest.mark.parametrize("block", blocks.all_blocks("console"), ids=str)
def test_console_blocks_print_what_they_say(block: Block, place: Place) -> None:
    """Each command of the pages succeeds and prints what stands below it."""
    for command in blocks.commands_in(block.text):
        ran = subprocess.run(
            ["bash", "-e", "-o", "pipefail", "-c", place.placed(command.text)],
            cwd=place.folder,
            env=place.environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=150,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr
        assert not command.prints or blocks.prints_as_told(command.prints, ran.stdout), ran.stdout


@pytest.mark.parametrize("block", blocks.all_blocks("toml"), ids=str)
def test_toml_blocks_are_whole_configurations(block: Block, tmp_path: Path) -> None:
    """Each configuration of the pages is accepted as it stands, by the settings that the server uses."""
    secret = tmp_path / "secret"
    secret.write_text("sk-a-secret-for-documentation", encoding="utf-8")
    text = re.sub(r'"file:[^"]+"', f'"file:{secret}"', block.text)
    text = re.sub(r'(ca_file = )"[^"]+"', rf'\1"{secret}"', text)
    file = tmp_path / "narthex.toml"
    file.write_text(text, encoding="utf-8")
    environ = {name: f"sk-a-secret-for-{name}" for name in re.findall(r"\$\{(\w+)\}", text)}
    loaded = load(file=file, environ={"HOME": str(tmp_path), **environ})
    assert loaded.file == file


@pytest.mark.parametrize("page", blocks.pages(), ids=str)
def test_no_block_escapes(page: Path) -> None:
    """Every block has a language that is checked, or a reason why it is not; programs at least parse."""
    for block in blocks.blocks_in(page):
        assert block.language in KNOWN, block
        match block.language:
            case "python":
                ast.parse(block.text)
            case "json":
                json.loads(block.text)
            case "console":
                assert list(blocks.commands_in(block.text)), block
            case _:
                pass


def test_the_unit_on_the_page_is_the_one_in_the_tree() -> None:
    """The page on systemd shows `deploy/narthex.service` as it is."""
    page = Path("docs/how-to/systemd.md")
    shown = [block.text for block in blocks.blocks_in(page) if block.language == "ini"]
    assert shown == [Path("deploy/narthex.service").read_text(encoding="utf-8")]


def test_the_unit_is_valid() -> None:
    """The unit is one that systemd takes, and no line of it is unknown."""
    unit = Path("deploy/narthex.service")
    parser = configparser.RawConfigParser(strict=True)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # systemd's keys have capitals
    parser.read(unit, encoding="utf-8")
    assert parser.sections() == ["Unit", "Service", "Install"]
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is not installed")
    ran = subprocess.run([analyze, "verify", "--man=no", unit], capture_output=True, text=True, check=False)
    lines = [line for line in ran.stderr.splitlines() if "narthex.service" in line]
    assert [line for line in lines if "is not executable" not in line] == []
