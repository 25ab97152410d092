"""All of it together: compresses by kind and namespace, decompresses what it wrote, and learns meanwhile."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Mapping
from random import Random
from time import perf_counter_ns
from typing import Final, NamedTuple

from narthex.compression.codecs import CODECS
from narthex.compression.contract import Codec, CodecName, Kind, Policy
from narthex.compression.dictionaries import Dictionary, DictionaryStore, dictionary
from narthex.compression.figures import CompressionStats
from narthex.compression.frames import Frame, framed, plain_size, unframed
from narthex.compression.training import SampleBook, Samples, better
from narthex.compression.zstandard import Zstandard
from narthex.errors import CorruptFrame, DictionaryMissing

logger = logging.getLogger(__name__)

ASIDE_BYTES: Final = 65_536
"""What is larger leaves the event loop."""
READ_ASIDE_BYTES: Final = 131_072
"""The same for reading, which is faster: with so little a thread costs more than the work."""
_NAMESPACES_HELD: Final = 512
"""Namespaces whose dictionary is at hand."""
_CODECS_HELD: Final = 32
"""Dictionaries that are made ready at once: each takes up several times its size then."""

Spawn = Callable[[Coroutine[object, object, None]], object]


class _Plan(NamedTuple):
    """How something is to be written."""

    name: CodecName
    codec: Codec
    dictionary: bytes | None
    level: int
    where: tuple[Kind, str]


class Compressor:
    """Makes what is kept smaller, by kind of data.

    Attributes:
        policies: How each kind is compressed; may be changed at any time, what was written is read all the same.
        stats: What was saved, and what it cost.
    """

    def __init__(
        self,
        policies: Mapping[Kind, Policy],
        store: DictionaryStore,
        spawn: Spawn | None = None,
        *,
        random: Random | None = None,
    ) -> None:
        """Begin without samples.

        Args:
            policies: How each kind is compressed; others as `Policy` has it.
            store: Where dictionaries are kept.
            spawn: Runs what makes a dictionary, beside everything else; without it none is made.
            random: Draws samples.
        """
        self.policies = policies
        self.stats = CompressionStats()
        self._store = store
        self._spawn = spawn
        # Which answers are sampled is no secret.
        self._samples = SampleBook(random or Random())  # noqa: S311
        self._used: OrderedDict[tuple[Kind, str], Dictionary | None] = OrderedDict()
        self._codecs: OrderedDict[bytes, Zstandard] = OrderedDict()
        self._lock = threading.Lock()

    def compress(self, data: bytes, *, kind: Kind, namespace: str = "") -> bytes:
        """Return a frame that holds `data`, compressed if that is worth it.

        Args:
            data: Anything.
            kind: Chooses the policy.
            namespace: What shares a dictionary; never of two tenants. Without one there is no dictionary.
        """
        return self._made(data, self._plan(data, kind, namespace))

    def decompress(self, frame: bytes, *, kind: Kind, namespace: str = "") -> bytes:
        """Return what a frame holds.

        Args:
            frame: As `compress` wrote it, at any time and by any policy.
            kind: As when it was written.
            namespace: As when it was written.

        Raises:
            DictionaryMissing: It was written with a dictionary that is gone, or of another namespace.
            CorruptFrame: It is not what was written. Whoever keeps copies takes both for a miss.
        """
        begin = perf_counter_ns()
        try:
            read = unframed(frame, max_bytes=self.policies.get(kind, _USUAL).max_bytes)
            plain = self._codec(read, (kind, namespace)).decompress(read.data, read.size)
        except DictionaryMissing:
            self.stats.missing += 1
            raise
        except CorruptFrame:
            self.stats.corrupt += 1
            raise
        tally = self.stats.tally(kind, namespace, read.codec)
        tally.decompressed += 1
        tally.decompress_ns += perf_counter_ns() - begin
        return plain

    async def compress_aside(self, data: bytes, *, kind: Kind, namespace: str = "") -> bytes:
        """Do as `compress`, in a thread if the data is large."""
        plan = self._plan(data, kind, namespace)
        if len(data) <= ASIDE_BYTES:
            return self._made(data, plan)
        return await asyncio.to_thread(self._made, data, plan)

    async def decompress_aside(self, frame: bytes, *, kind: Kind, namespace: str = "") -> bytes:
        """Do as `decompress`, in a thread if the data is large; raises as it does."""
        if max(len(frame), plain_size(frame)) <= READ_ASIDE_BYTES:
            return self.decompress(frame, kind=kind, namespace=namespace)
        return await asyncio.to_thread(self.decompress, frame, kind=kind, namespace=namespace)

    def dictionary_name(self, frame: bytes) -> bytes | None:
        """Return the ID of the dictionary that a frame was written with; None if it was none.

        Raises:
            CorruptFrame: It is not what was written.
        """
        return unframed(frame).dictionary

    def dictionary_of(self, frame: bytes) -> Dictionary | None:
        """Return the dictionary that a frame was written with, for others that have to read it.

        Raises:
            CorruptFrame: It is not what was written.
        """
        name = unframed(frame).dictionary
        return None if name is None else self._store.get(name)

    def adopt(self, taken: Dictionary) -> None:
        """Read from now on what others wrote with a dictionary of theirs; called in a thread.

        Raises:
            CorruptFrame: It is none.
            OSError: It cannot be kept.
        """
        Zstandard(taken.content)
        self._store.put(taken)

    def forget(self, kind: Kind, namespace: str) -> int:
        """Let go of what was learned in a namespace, and return how many dictionaries that were.

        What was written with them cannot be read any more: for what is to be erased.
        """
        name = _name(kind, namespace)
        self._samples.forget(name)
        self._used.pop((kind, namespace), None)
        with self._lock:
            self._codecs.clear()
        return self._store.forget(name)

    async def forget_before(self, at_s: float) -> int:
        """Let go of what was learned before a time, of whatever namespace, and return how many dictionaries that were.

        What was written with them cannot be read any more: for what is to be erased, wherever it may have been said.

        Args:
            at_s: In seconds of Unix time.
        """
        self._samples.forget_all()
        count = await asyncio.to_thread(self._store.forget_before, at_s)
        self._used.clear()
        with self._lock:
            self._codecs.clear()
        return count

    def _plan(self, data: bytes, kind: Kind, namespace: str) -> _Plan:
        """Return how data is to be written; on the event loop, for what is learned by the way."""
        policy = self.policies.get(kind, _USUAL)
        where: tuple[Kind, str] = (kind, namespace)
        if not policy.threshold_bytes <= len(data) <= policy.max_bytes or policy.codec == "none":
            return _Plan("none", CODECS["none"], None, 0, where)
        used = self._dictionary(data, policy, where)
        if used is None:
            return _Plan(policy.codec, CODECS[policy.codec], None, policy.level, where)
        return _Plan(policy.codec, self._ready(used), used.id, policy.level, where)

    def _made(self, data: bytes, plan: _Plan) -> bytes:
        """Write a frame, and count it; in any thread."""
        begin = perf_counter_ns()
        codec, named, written = plan.name, plan.dictionary, plan.codec.compress(data, plan.level)
        if len(written) + len(named or b"") >= len(data):
            # What does not get smaller stays as it is.
            codec, named, written = "none", None, data
        made = framed(Frame(codec, named, len(data), written))
        tally = self.stats.tally(*plan.where, codec)
        tally.compressed += 1
        tally.plain_bytes += len(data)
        tally.stored_bytes += len(made)
        tally.compress_ns += perf_counter_ns() - begin
        return made

    def _dictionary(self, data: bytes, policy: Policy, where: tuple[Kind, str]) -> Dictionary | None:
        """Return the dictionary of a namespace, and have it learn from what comes."""
        if policy.codec != "zstd" or not policy.trains or not where[1]:
            return None
        name = _name(*where)
        if where not in self._used:
            if len(self._used) >= _NAMESPACES_HELD:
                self._used.popitem(last=False)
            self._used[where] = self._store.newest(name)
        if self._spawn is not None:
            samples = self._samples.offer(name, data, policy.dictionary_bytes)
            if samples is not None:
                self._spawn(self._learn(samples, samples.begin(), policy, where))
        return self._used[where]

    async def _learn(self, samples: Samples, given: list[bytes], policy: Policy, where: tuple[Kind, str]) -> None:
        """Make a dictionary in a thread, and go on with it if it is better."""
        name, used = _name(*where), self._used.get(where)
        now = None if used is None else used.content
        try:
            made = await asyncio.to_thread(better, given, policy.dictionary_bytes, policy.level, now)
            if made is None:
                self.stats.untaken += 1
            elif self._samples.holds(name, samples):
                taken = dictionary(name, made)
                await asyncio.to_thread(self._store.put, taken)
                self._take(taken, samples, where)
        except OSError as error:
            logger.warning("a dictionary for %s could not be kept: %s", where[0], error)
        finally:
            samples.training = False

    def _take(self, taken: Dictionary, samples: Samples, where: tuple[Kind, str]) -> None:
        if not self._samples.holds(taken.namespace, samples):
            # Forgotten while it was written.
            self._store.forget(taken.namespace)
            return
        self._used[where] = taken
        self.stats.trained += 1

    def _codec(self, frame: Frame, where: tuple[Kind, str]) -> Codec:
        if frame.dictionary is None:
            return CODECS[frame.codec]
        found = self._store.get(frame.dictionary)
        if found is None or found.namespace != _name(*where):
            raise DictionaryMissing
        return self._ready(found)

    def _ready(self, used: Dictionary) -> Zstandard:
        """Return the codec with a dictionary; in any thread."""
        name = used.id
        codec = self._codecs.get(name)
        if codec is None:
            codec = Zstandard(used.content)
            with self._lock:
                self._codecs[name] = codec
                if len(self._codecs) > _CODECS_HELD:
                    self._codecs.popitem(last=False)
        return codec


_USUAL: Final = Policy()


def _name(kind: Kind, namespace: str) -> str:
    return f"{kind}:{namespace}"
