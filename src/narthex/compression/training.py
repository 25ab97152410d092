"""Samples of a namespace, and a dictionary from them.

A namespace keeps a fair draw of what was compressed in it, within a bound. When there is enough, a dictionary is
made of most of it and tried on the rest, which it has not seen: it is taken only if it makes that clearly smaller than
what is used now. Then the next time comes when four times as much was seen.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Final

from narthex.compression.zstandard import Zstandard, train

LEAST_SAMPLES: Final = 64
"""Samples before anything is made of them."""
MOST_SAMPLES: Final = 2_048
SAMPLE_BYTES: Final = 65_536
"""Of a longer one this much from its begin is kept: what a dictionary can do for long data it does there."""
GATHERING: Final = 16
"""Namespaces that gather at once."""
NAMESPACES: Final = 4_096
"""Namespaces of which it is known how much came."""
_RESTED: Final = 10_000
"""Things that come elsewhere before a namespace makes room for another."""
_FIRST: Final = 256
_AGAIN: Final = 4
_PER_DICTIONARY: Final = 12
"""Bytes of samples for each byte of the dictionary at most; more of them helps little."""
_HELD_OUT: Final = 5
"""One sample of this many is not trained on."""
_BETTER: Final = 0.97
"""What a new dictionary makes of the samples that it has not seen, as a part of what is used now makes."""


@dataclass(slots=True)
class Samples:
    """A fair draw of what came in a namespace, of bounded size.

    https://en.wikipedia.org/wiki/Reservoir_sampling#Simple:_Algorithm_R
    """

    max_bytes: int
    kept: list[bytes] = field(default_factory=list)
    kept_bytes: int = 0
    drawn: int = 0
    """What came since this draw began."""
    seen: int = 0
    """What came at all."""
    next_at: int = _FIRST
    """How much must have come when a dictionary is made."""
    training: bool = False
    touched: int = 0
    """When something came last, in things that came anywhere."""

    @property
    def is_ready(self) -> bool:
        """Whether it is time to make a dictionary."""
        return self.seen >= self.next_at and len(self.kept) >= LEAST_SAMPLES and not self.training

    def take(self, data: bytes, random: Random) -> None:
        """Take something that came, perhaps."""
        self.drawn += 1
        if len(self.kept) < MOST_SAMPLES and self.kept_bytes + min(len(data), SAMPLE_BYTES) <= self.max_bytes:
            self.kept.append(data[:SAMPLE_BYTES])
            self.kept_bytes += len(self.kept[-1])
            return
        place = random.randrange(self.drawn)
        if place < len(self.kept):
            self.kept_bytes += min(len(data), SAMPLE_BYTES) - len(self.kept[place])
            self.kept[place] = data[:SAMPLE_BYTES]
            while self.kept_bytes > self.max_bytes and len(self.kept) > 1:
                self.kept_bytes -= len(self.kept.pop())

    def begin(self) -> list[bytes]:
        """Return what there is, to make a dictionary of it, and begin a new draw."""
        given = self.kept
        self.training = True
        self.next_at = self.seen * _AGAIN
        self.let_go()
        return given

    def let_go(self) -> None:
        """Begin a new draw."""
        self.kept = []
        self.kept_bytes = self.drawn = 0


class SampleBook:
    """The samples of all namespaces; some gather at once, and others wait until one of these is done or rests."""

    def __init__(self, random: Random) -> None:
        """Begin with none.

        Args:
            random: Draws what is kept.
        """
        self._random = random
        self._samples: OrderedDict[str, Samples] = OrderedDict()
        self._gathering: dict[str, Samples] = {}
        self._offered = 0

    def offer(self, namespace: str, data: bytes, dictionary_bytes: int) -> Samples | None:
        """Take something that came; return the samples if it is time to make a dictionary of them."""
        self._offered += 1
        samples = self._samples.get(namespace)
        if samples is None:
            samples = self._new(namespace, dictionary_bytes * _PER_DICTIONARY)
        samples.seen += 1
        samples.touched = self._offered
        if namespace in self._gathering or self._makes_room(namespace, samples):
            samples.take(data, self._random)
        if not samples.is_ready:
            return None
        del self._gathering[namespace]
        return samples

    def holds(self, namespace: str, samples: Samples) -> bool:
        """Tell whether samples are still those of a namespace, which was not forgotten."""
        return self._samples.get(namespace) is samples

    def forget(self, namespace: str) -> None:
        """Let go of what was gathered in a namespace."""
        self._samples.pop(namespace, None)
        self._gathering.pop(namespace, None)

    def forget_all(self) -> None:
        """Let go of all that was gathered."""
        self._samples.clear()
        self._gathering.clear()

    def _new(self, namespace: str, max_bytes: int) -> Samples:
        if len(self._samples) >= NAMESPACES:
            gone, _ = self._samples.popitem(last=False)
            self._gathering.pop(gone, None)
        samples = self._samples[namespace] = Samples(max_bytes)
        return samples

    def _makes_room(self, namespace: str, samples: Samples) -> bool:
        if len(self._gathering) >= GATHERING:
            name, rests = min(self._gathering.items(), key=lambda item: item[1].touched)
            if self._offered - rests.touched < _RESTED:
                return False
            rests.let_go()
            del self._gathering[name]
        self._gathering[namespace] = samples
        return True


def better(samples: Sequence[bytes], size: int, level: int, now: bytes | None) -> bytes | None:
    """Return a dictionary that is worth to be used from now on; None if there is none. Takes a while.

    Args:
        samples: What it is for.
        size: Of the dictionary at most, in bytes.
        level: At which it will be used.
        now: The dictionary that is used at the moment.
    """
    held_out, given = samples[::_HELD_OUT], [one for at, one in enumerate(samples) if at % _HELD_OUT]
    try:
        made = train(given, size, level)
    except ValueError:
        # Too much alike, or too short: there is nothing to be had.
        return None
    after = _size(held_out, level, made)
    return made if after < _size(held_out, level, now) * _BETTER else None


def _size(samples: Sequence[bytes], level: int, dictionary: bytes | None) -> int:
    codec = Zstandard(dictionary)
    return sum(len(codec.compress(one, level)) for one in samples)
