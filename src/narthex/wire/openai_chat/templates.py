r"""Frames that differ from one already read only in what is said.

A server writes every chunk with the same code, so one chunk equals the last but for a few strings. A template is a
frame that was read as JSON, with those strings taken out. A frame that consists of the template's bytes with other JSON
strings between them has the same structure and the same value everywhere else, so it need not be read again: this is
what makes watching a stream cheaper than the network it comes from.
"""

from __future__ import annotations

import re

_SAID = re.compile(rb'"(?:content|reasoning_content|reasoning|arguments|text|obfuscation)": ?"((?:[^"\\]|\\.)*)"')
_INSIDE = re.compile(rb'(?:[^"\\]|\\.)*')
_BACKSLASH = 0x5C


class Template:
    """The bytes of a frame between what is said."""

    __slots__ = ("_head_size", "_joint", "_tail", "_tail_size", "head", "tails")

    def __init__(self, head: bytes, tails: tuple[bytes, ...]) -> None:
        """Keep the bytes.

        Args:
            head: From the start of the frame to the first string that may differ.
            tails: From the end of each such string to the next, the last one to the end of the frame.
        """
        self.head = head
        self.tails = tails
        self._joint = tails[0] + head if len(tails) == 1 else b""
        self._head_size = len(head)
        self._tail = tails[-1]
        self._tail_size = len(tails[-1])

    def frames_of(self, block: bytes) -> int:
        """Return of how many frames that fit the whole block consists, or 0 if that is not seen at a glance.

        Between the first head and the last tail stands what is said, with a joint between two frames. With a quotation
        mark in place of each joint it must hold no other, no line end, and no escape that a quotation mark could be
        part of: then each of its pieces is the inside of a JSON string.
        """
        joint = self._joint
        ends = len(block) - self._tail_size
        if ends < self._head_size or not joint or not block.startswith(self.head) or not block.endswith(self._tail):
            return 0
        inside = block[self._head_size : ends]
        said = inside.replace(joint, b'"')
        joints = (len(inside) - len(said)) // (len(joint) - 1)
        if said.count(b'"') != joints or b"\n" in said or b"\r" in said:
            return 0
        if b"\\" in said and (b'\\"' in said or b"\\\\" in said or said.endswith(b"\\")):
            return 0
        return joints + 1

    def end_of(self, block: bytes, start: int) -> int:
        """Return where the frame at `start` ends if it fits, or -1."""
        if not block.startswith(self.head, start):
            return -1
        end = start + len(self.head)
        for tail in self.tails:
            quote = block.find(b'"', end)
            if not block.startswith(tail, quote) or block[quote - 1] == _BACKSLASH:
                quote = _end_of_string(block, end, tail)
                if quote < 0:
                    return -1
            # A line end inside a string would have begun another field of the event.
            if block.find(b"\n", end, quote) >= 0 or block.find(b"\r", end, quote) >= 0:
                return -1
            end = quote + len(tail)
        return end

    def run_of(self, block: bytes, start: int) -> tuple[int, int]:
        """Return how many frames from `start` on fit, one after the other, and where the last of them ends.

        Between two frames that fit stands the end of one and the head of the next: what is left when the block is cut
        at these joints is what is said, all of it looked over in a few searches.
        """
        first = start + len(self.head)
        if not self._joint or len(block) < first + len(self._joint) or not block.startswith(self.head, start):
            return 0, start
        said = (block[first:] if first else block).split(self._joint)
        last = said.pop()
        if not said or not _are_strings(said):
            return 0, start
        end = len(block) - len(last)
        final = self.end_of(block, end - len(self.head))
        # The head of a frame that does not fit belongs to that frame, not to this run.
        return (len(said) + 1, final) if final > 0 else (len(said), end - len(self.head))


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


def _are_strings(said: list[bytes]) -> bool:
    """Tell whether each of these is the inside of a JSON string on one line."""
    together = b"".join(said)
    if b"\n" in together or b"\r" in together:
        return False
    if b'"' not in together and b"\\" not in together:
        return True
    return all(_INSIDE.fullmatch(one) for one in said if b'"' in one or b"\\" in one)


def _end_of_string(block: bytes, start: int, tail: bytes) -> int:
    """Return where the string at `start` ends and `tail` follows, or -1; for strings with quotation marks in them."""
    end = block.find(tail, start)
    said = block[start:end]
    if end < 0 or b"\\\\" in said or said.endswith(b"\\"):
        return -1
    return end if said.count(b'"') == said.count(b'\\"') else -1
