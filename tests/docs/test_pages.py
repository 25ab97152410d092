"""The pages hold together: generated ones are fresh, links lead somewhere, nothing stands outside the site."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from narthex.telemetry.request_log import AttemptLine, RequestLine, RouteLine
from scripts import reference
from scripts.pages import cli, errors, http, metrics, request_log
from tests.docs.blocks import pages

DOCS = Path("docs")
PROSE = [*pages(), Path("CONTRIBUTING.md"), Path("SECURITY.md"), Path("GOALS.md")]


@pytest.mark.parametrize("name", reference.PAGES)
def test_generated_pages_are_fresh(name: str) -> None:
    """What the source says today stands on the page; `python -m scripts.reference` writes it."""
    assert (DOCS / "reference" / f"{name}.md").read_text(encoding="utf-8") == reference.rendered(name)


def test_every_command_error_and_metric_has_its_entry() -> None:
    """No command, no error code, no route and no metric is left out of the reference."""
    folder = DOCS / "reference"
    text = {name: (folder / f"{name}.md").read_text(encoding="utf-8") for name in ("cli", "errors", "http", "metrics")}
    assert [name for name, _, _ in cli.commands() if f"## `{name}`" not in text["cli"]] == []
    assert [code for code in errors.codes() if f"| `{code}` |" not in text["errors"]] == []
    assert [name for name, _, _, _ in metrics.documented() if f"`{name}`" not in text["metrics"]] == []
    routes = [f"{method} {path}" for method, path, _ in http.operations(http.document())]
    assert [route for route in routes if f"### `{route}`" not in text["http"]] == []


def test_no_metric_that_the_source_names_is_missing() -> None:
    """However its name is put together; what stands in the source and is on the page nowhere is told by name."""
    sources = "".join(path.read_text(encoding="utf-8") for path in Path("src").rglob("*.py"))
    named = set(re.findall(r"# TYPE (narthex_[a-z_{}]+) ", sources))
    named |= set(re.findall(r'"(narthex_[a-z_]+_(?:total|bytes|left|limit|waiting|in_flight))"', sources))
    told = [name for name, _, _, _ in metrics.documented()]
    patterns = {name: re.compile(re.sub(r"{\w+}", "[a-z_]+", name)) for name in named}
    assert len(patterns) > 60
    assert [name for name, one in patterns.items() if not any(map(one.fullmatch, told))] == []


def test_every_field_of_the_request_log_is_explained() -> None:
    """No field of a line, of an attempt or of a route is without its meaning."""
    for line in (RequestLine, AttemptLine, RouteLine):
        assert [name for name, meaning in request_log.documented(line).items() if not meaning] == []


def test_every_header_of_ours_is_documented() -> None:
    """The page of headers names exactly those `x-narthex-` headers that the source uses."""
    header = re.compile(r"\bx-narthex-[a-z]+(?:-[a-z]+)*\b")
    sources = "".join(path.read_text(encoding="utf-8") for path in Path("src").rglob("*.py"))
    page = (DOCS / "reference" / "headers.md").read_text(encoding="utf-8")
    assert set(header.findall(sources)) == set(header.findall(page))


def _navigation(entries: object) -> Iterator[str]:
    match entries:
        case str():
            yield entries
        case list():
            for entry in entries:
                yield from _navigation(entry)
        case dict():
            for entry in entries.values():
                yield from _navigation(entry)
        case _:
            pytest.fail(f"not a navigation: {entries!r}")


def test_every_page_can_be_reached() -> None:
    """The navigation names every page once, and no page that is not there."""
    project = tomllib.loads(Path("zensical.toml").read_text(encoding="utf-8"))["project"]
    named = list(_navigation(project["nav"]))
    assert sorted(named) == sorted(page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md"))


def _anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[\s-]+", "-", re.sub(r"[^\w\s-]", "", heading).strip().lower()) for heading in headings}


@pytest.mark.parametrize("page", PROSE, ids=str)
def test_links_lead_somewhere(page: Path) -> None:
    """Every link to another page of ours leads to a file that is there, and to a heading in it."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    broken: list[str] = []
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        path, _, anchor = target.partition("#")
        if "://" in path or path.startswith("mailto:"):
            continue
        file = (page.parent / path) if path else page
        if not file.exists() or (anchor and anchor not in _anchors(file)):
            broken.append(target)
    assert broken == []


@pytest.mark.parametrize("page", PROSE, ids=str)
def test_each_page_has_one_title(page: Path) -> None:
    """A page begins with its title, and has only that one."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    assert len(re.findall(r"^# ", text, re.MULTILINE)) == 1


def test_the_site_builds(tmp_path: Path) -> None:
    """`make docs` makes a site of all pages, without a warning."""
    shutil.copytree("docs", tmp_path / "docs")
    shutil.copy("zensical.toml", tmp_path)
    zensical = Path(sys.executable).parent / "zensical"
    ran = subprocess.run([zensical, "build", "--strict"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    built = {path.relative_to(tmp_path / "site").as_posix() for path in (tmp_path / "site").rglob("index.html")}
    assert {"index.html", "quickstart/index.html", "reference/settings/index.html"} <= built
    assert "fonts.g" not in (tmp_path / "site" / "index.html").read_text(encoding="utf-8")
