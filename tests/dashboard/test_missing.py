"""The page that stands in for the dashboard until it is built."""

from __future__ import annotations

from html.parser import HTMLParser

from narthex.dashboard.missing import MISSING_PAGE


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.links += [value or "" for name, value in attrs if name in {"href", "src"}]


def test_it_names_the_commands_and_needs_nothing_else() -> None:
    """It names both ways to build, links to this server alone, and obeys the strictest security policy."""
    page = MISSING_PAGE.decode()
    reader = _Reader()
    reader.feed(page)
    assert "make serve" in page
    assert "npm ci &amp;&amp; npm run build" in page
    assert reader.links
    assert all(link.startswith("/") for link in reader.links)
    assert not reader.tags & {"script", "style", "link", "img"}
