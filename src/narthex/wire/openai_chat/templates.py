r"""Frames that differ from one already read only in what is said.

A server writes every chunk with the same code, so one chunk equals the last but for a few strings. A template is a
frame that was read as JSON, with those strings taken out. A frame that consists of the template's bytes with other JSON
strings between them has the same structure and the same value everywhere else, so it need not be read again: this is
what makes watching a stream cheaper than the network it comes from.
"""

from __future__ import annotations

import re

_SAID = re.compile(rb'"(?:content|reasoning_content|reasoning|arguments|text|obfuscation)": ?"((?:[^"\\]|\\.)*)"')
_BACKSLASH = 0x5C


class Template:
    """The bytes of a frame between what is said."""

    __slots__ = ("head", "tails")

    def __init__(self, head: bytes, tails: tuple[bytes, ...]) -> None:
        """Keep the bytes.

        Args:
            head: From the start of the frame to the first string that may differ.
            tails: From the end of each such string to the next, the last one to the end of the frame.
        """
        self.head = head
        self.tails = tails

    def end_of(self, block: bytes, start: int) -> int:
        """Return where the frame at `start` ends if it fits, or -1; the caller checks that no line ends before that."""
        if not block.startswith(self.head, start):
            return -1
        end = start + len(self.head)
        for tail in self.tails:
            quote = block.find(b'"', end)
            if not block.startswith(tail, quote) or block[quote - 1] == _BACKSLASH:
                quote = _end_of_string(block, end, tail)
                if quote < 0:
                    return -1
            end = quote + len(tail)
        return end


def template_of(frame: bytes) -> Template | None:
    """Make a template of a frame that was read as valid JSON, or None if it is not a single line or says nothing."""
    if not frame.startswith(b"data:") or frame.find(b"\n") != len(frame) - 2 or b"\r" in frame:
        return None
    cuts = [(said.start(1), said.end(1)) for said in _SAID.finditer(frame)]
    if not cuts:
        return None
    starts = [end for _, end in cuts]
    ends = [start for start, _ in cuts[1:]] + [len(frame)]
    tails = tuple(frame[start:end] for start, end in zip(starts, ends, strict=True))
    return Template(frame[: cuts[0][0]], tails)


def _end_of_string(block: bytes, start: int, tail: bytes) -> int:
    """Return where the string at `start` ends and `tail` follows, or -1; for strings with quotation marks in them."""
    end = block.find(tail, start)
    said = block[start:end]
    if end < 0 or b"\\\\" in said or said.endswith(b"\\"):
        return -1
    return end if said.count(b'"') == said.count(b'\\"') else -1
