"""The steps behind the Makefile's verbs: done once, redone when their sources change, honest about what is missing."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from scripts import dashboard, debian, environment, missing, node, weights


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _answer(monkeypatch: pytest.MonkeyPatch, returncode: int, output: str = "") -> list[list[str]]:
    """Let every command end with `returncode`; what was run is collected."""
    ran: list[list[str]] = []

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        ran.append([str(part) for part in command])
        return subprocess.CompletedProcess(command, returncode, output, "")

    monkeypatch.setattr(subprocess, "run", run)
    return ran


def test_what_is_missing_is_said_until_it_is_found(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A note is printed at every end until the thing is there."""
    assert folder.is_dir()
    missing.note("browser", "Chromium: browser tests are skipped")
    missing.main()
    assert "Chromium: browser tests are skipped" in capsys.readouterr().err
    missing.found("browser")
    missing.main()
    assert capsys.readouterr().err == ""


def test_versions_are_read_from_what_tools_print() -> None:
    """Node's own form, Debian's form and nonsense are all understood."""
    assert node.version_of("v20.20.2\n") == (20, 20)
    assert node.version_of("18.20.4+dfsg-1~deb12u2") == (18, 20)
    assert node.version_of("none") == (0, 0)


def test_an_old_node_is_not_used(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Node.js below the oldest that builds the dashboard counts as none, and is not replaced."""
    assert folder.is_dir()
    monkeypatch.setattr("shutil.which", lambda name: f"/bin/{name}")
    ran = _answer(monkeypatch, 0, "v18.19.0\n")
    assert not node.provide()
    assert all(command == ["/bin/node", "--version"] for command in ran)
    assert "Node.js 20.19 or later" in missing.lines()[0]


def test_npm_packages_are_installed_once_per_lock_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second install does nothing until the lock file changes."""
    (folder / "node_modules").mkdir()
    (folder / "package-lock.json").write_text("{}", encoding="utf-8")
    ran = _answer(monkeypatch, 0)
    assert node.install(folder)
    assert node.install(folder)
    assert len(ran) == 1
    (folder / "package-lock.json").write_text('{"changed": true}', encoding="utf-8")
    assert node.install(folder)
    assert len(ran) == 2


def test_a_failed_npm_install_is_tried_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without network the packages do not count as installed."""
    (folder / "node_modules").mkdir()
    (folder / "package-lock.json").write_text("{}", encoding="utf-8")
    ran = _answer(monkeypatch, 1)
    assert not node.install(folder)
    assert not node.install(folder)
    assert len(ran) == 2


def _sources(folder: Path) -> Path:
    source = folder / "ui" / "src" / "main.tsx"
    source.parent.mkdir(parents=True)
    source.write_text("render()", encoding="utf-8")
    (folder / dashboard.BUILT).parent.mkdir(parents=True)
    return source


def _count_builds(monkeypatch: pytest.MonkeyPatch, *, works: bool = True) -> list[bool]:
    builds: list[bool] = []

    def build() -> bool:
        builds.append(works)
        if works:
            dashboard.BUILT.write_text("<html>", encoding="utf-8")
        return works

    monkeypatch.setattr(node, "provide", lambda: True)
    monkeypatch.setattr(dashboard, "build", build)
    return builds


def test_the_dashboard_is_built_when_its_sources_change(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is built once, again after a change, and not for what npm leaves behind."""
    source = _sources(folder)
    builds = _count_builds(monkeypatch)
    dashboard.main()
    dashboard.main()
    (folder / "ui" / "node_modules").mkdir()
    (folder / "ui" / "node_modules" / "left.js").write_text("1", encoding="utf-8")
    dashboard.main()
    assert len(builds) == 1
    source.write_text("render(again)", encoding="utf-8")
    dashboard.main()
    assert len(builds) == 2


def test_a_dashboard_that_cannot_be_built_is_said(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A failed build leaves a note and no stamp, and Narthex is served all the same."""
    _sources(folder)
    builds = _count_builds(monkeypatch, works=False)
    assert dashboard.main() == 0
    assert dashboard.main() == 0
    assert len(builds) == 2
    assert "plain page" in missing.lines()[0]


def test_missing_weights_are_said_and_served_without(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without network the models are left out with a line that says what to run."""
    assert folder.is_dir()
    ran = _answer(monkeypatch, 1)
    assert weights.main() == 0
    assert ran[0][1:] == ["models", "install", "smollm2", "minilm"]
    assert "narthex models install" in missing.lines()[0]
    _answer(monkeypatch, 0)
    assert weights.main() == 0
    assert missing.lines() == []


def test_debian_packages_are_only_installed_by_root(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without root, or without apt, nothing is run."""
    ran = _answer(monkeypatch, 0)
    monkeypatch.setattr("shutil.which", lambda name: f"/bin/{name}")
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert not debian.install("chromium")
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr("shutil.which", lambda _: None)
    assert not debian.install("chromium")
    assert ran == []


def test_a_missing_program_is_noted_with_its_package(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be installed is said with what it means and the package that has it, until it is there."""
    assert folder.is_dir()
    monkeypatch.setattr("shutil.which", lambda _: None)
    debian.provide("browser")
    assert missing.lines() == [
        "browser: browser tests are skipped (Debian: sudo apt-get install chromium fonts-dejavu-core)"
    ]
    monkeypatch.setattr("shutil.which", lambda name: f"/bin/{name}")
    debian.provide("browser")
    assert missing.lines() == []


def test_a_stale_package_list_is_refreshed(monkeypatch: pytest.MonkeyPatch) -> None:
    """When an install fails, the list of packages is brought up to date and the install tried once more."""
    monkeypatch.setattr("shutil.which", lambda name: f"/bin/{name}")
    monkeypatch.setattr("os.geteuid", lambda: 0)
    ran = _answer(monkeypatch, 1)
    assert not debian.install("chromium")
    assert ["install" in command for command in ran] == [True, False]


def test_an_environment_without_ensurepip_names_the_package(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A Python without ensurepip gets a line that says what to install."""
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert environment.main(".venv") == 1
    assert "apt-get install python3-venv" in capsys.readouterr().err


def test_an_environment_is_made_with_pip(folder: Path) -> None:
    """The environment has its own interpreter and pip."""
    assert environment.main(str(folder / "made")) == 0
    ran = subprocess.run([folder / "made" / "bin" / "python", "-m", "pip", "--version"], check=False)
    assert ran.returncode == 0
