"""The blocks are found, cut and compared as the pages mean them."""

from __future__ import annotations

from pathlib import Path

from tests.docs import blocks

PAGE = """\
# Page

```python
print(1)
```

<!-- not run: needs a key -->
```console
$ one
```

- inside a list

    ```toml
    a = 1
    ```
"""


def test_finds_blocks_with_their_reasons_and_lines(tmp_path: Path) -> None:
    """Every fence is found, those in lists too, and a reason belongs to the block below it alone."""
    page = tmp_path / "page.md"
    page.write_text(PAGE, encoding="utf-8")
    found = [(block.language, block.line, block.text, block.reason) for block in blocks.blocks_in(page)]
    assert found == [
        ("python", 3, "print(1)\n", None),
        ("console", 8, "$ one\n", "needs a key"),
        ("toml", 14, "a = 1\n", None),
    ]


def test_cuts_commands_from_what_they_print() -> None:
    """A command goes on after a backslash; the lines up to the next `$` are its output."""
    text = "$ curl \\\n  -s x\nanswer\nmore\n$ true\n"
    assert list(blocks.commands_in(text)) == [
        blocks.Command(text="curl \\\n  -s x", prints=("answer", "more")),
        blocks.Command(text="true", prints=()),
    ]


def test_an_ellipsis_stands_for_anything() -> None:
    """`…` matches any text, across lines; everything else must be printed as told."""
    assert blocks.prints_as_told(("narthex …",), "narthex 0.1.0\n")
    assert blocks.prints_as_told(("{", "…", "}"), '{\n "a": 1,\n "b": 2\n}')
    assert not blocks.prints_as_told(("narthex …",), "something else")
