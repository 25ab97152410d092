r"""Frames that differ from one already read only in what is said.

A server writes every chunk with the same code, so one chunk equals the last but for a few strings. A template is a
frame that was read as JSON, with those strings taken out. A frame that consists of the template's bytes with other JSON
strings between them has the same structure and the same value everywhere else, so it need not be read again: this is
what makes watching a stream cheaper than the network it comes from.
"""

from __future__ import annotations

import re
from itertools import repeat

_SAID = re.compile(rb'"(?:content|reasoning_content|reasoning|arguments|text|obfuscation)": ?"((?:[^"\\]|\\.)*)"')
_INSIDE = re.compile(rb'(?:[^"\\]|\\.)*')
_BACKSLASH = 0x5C
_FIRST_LOOK_BYTES = 2_048
_FARTHEST_LOOK_BYTES = 65_536
_FRAME_END = b"\n\n"
_without_head = bytes.removeprefix
_without_tail = bytes.removesuffix


class Template:
    """The bytes of a frame between what is said."""

    __slots__ = ("_fixed_size", "_line_end", "head", "tails")

    def __init__(self, head: bytes, tails: tuple[bytes, ...]) -> None:
        """Keep the bytes.

        Args:
            head: From the start of the frame to the first string that may differ.
            tails: From the end of each such string to the next, the last one to the end of the frame.
        """
        self.head = head
        self.tails = tails
        self._line_end = tails[0].removesuffix(_FRAME_END) if len(tails) == 1 else b""
        self._fixed_size = len(head) + len(self._line_end)

    def frames_of(self, block: bytes) -> int:
        """Return of how many frames that fit the whole block consists, or 0 if that is not seen at a glance."""
        if not self._line_end or not block.startswith(self.head) or not block.endswith(self.tails[0]):
            return 0
        said = block[len(self.head) : -len(self.tails[0])]
        if b'"' not in said and b"\\" not in said and b"\n" not in said and b"\r" not in said:
            # One frame, alone: what comes when a model writes slower than the network.
            return int(len(block) >= self._fixed_size + len(_FRAME_END))
        frames = block[:-2].split(_FRAME_END)
        return len(frames) if self._all_fit(frames) else 0

    def run_of(self, block: bytes, start: int) -> tuple[int, int]:
        """Return how many frames from `start` on fit, one after the other, and where the last of them ends.

        It looks a little ahead at first, and farther as long as all fit: where kinds of frames take turns, or one
        stands out, looking far ahead at each would be in vain.
        """
        end = self.end_of(block, start)
        if end < 0:
            return 0, start
        count, ahead_bytes = 1, _FIRST_LOOK_BYTES
        while self._line_end and block.startswith(self.head, end):
            stop = block.rfind(_FRAME_END, end, end + ahead_bytes)
            frames = block[end:stop].split(_FRAME_END) if stop > 0 else []
            fitting = self._fitting(frames)
            count += fitting
            end += sum(map(len, frames[:fitting])) + len(_FRAME_END) * fitting
            if not frames or fitting < len(frames):
                break
            ahead_bytes = min(ahead_bytes * 4, _FARTHEST_LOOK_BYTES)
        return count, end

    def _fitting(self, frames: list[bytes]) -> int:
        """Return how many of the first frames fit."""
        middle = len(frames)
        while middle and not (frames[middle - 1].startswith(self.head) and frames[middle - 1].endswith(self._line_end)):
            # How a stream ends.
            middle -= 1
        low, high = 0, middle + 1
        # All of them, nearly always; otherwise each half is looked over once more at most.
        while high - low > 1:
            if self._all_fit(frames[low:middle]):
                low = middle
            else:
                high = middle
            middle = (low + high) // 2
        return low

    def _all_fit(self, frames: list[bytes]) -> bool:
        """Tell whether each frame is the head, the inside of a JSON string on one line, and the tail.

        All of them are looked over in a few calls, however many they are.
        """
        count = len(frames)
        said = list(map(_without_tail, map(_without_head, frames, repeat(self.head)), repeat(self._line_end)))
        together = b'"'.join(said)
        if sum(map(len, frames)) - count * self._fixed_size != len(together) - count + 1:
            return False
        if b"\n" in together or b"\r" in together:
            return False
        if b"\\" not in together:
            return together.count(b'"') == count - 1
        return all(_INSIDE.fullmatch(one) for one in said if b'"' in one or b"\\" in one)

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
