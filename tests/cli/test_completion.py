"""`narthex completion`."""

from __future__ import annotations

import pytest

from tests.cli.conftest import Invoke, Program


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_for_each_shell(invoke: Invoke, shell: str) -> None:
    """The script asks the program itself for what may follow."""
    result = invoke("completion", shell)
    assert result.exit_code == 0
    assert f"_NARTHEX_COMPLETE={shell}_complete" in result.stdout


def test_an_unknown_shell_is_refused(invoke: Invoke) -> None:
    """The shells there are, are named."""
    result = invoke("completion", "tcsh")
    assert result.exit_code == 2
    assert "bash" in result.stderr


def test_the_program_completes(program: Program) -> None:
    """What the script asks is answered: the commands that begin so."""
    ran = program(_NARTHEX_COMPLETE="bash_complete", COMP_WORDS="narthex co", COMP_CWORD="1")
    assert ran.stdout.decode().split() == ["plain,config", "plain,completion"]
