"""Samples, and what is learned from them."""

from __future__ import annotations

from random import Random

import pytest

from narthex.compression import training
from narthex.compression.training import MOST_SAMPLES, SampleBook, Samples, better
from tests.compression.samples import answers


def test_samples_are_a_fair_draw() -> None:
    """What came early and what came late are drawn alike, within the bounds."""
    samples, random = Samples(max_bytes=8 * MOST_SAMPLES), Random(1)
    for number in range(4 * MOST_SAMPLES):
        samples.take(number.to_bytes(8, "big"), random)
    kept = [int.from_bytes(one, "big") for one in samples.kept]
    assert len(kept) == MOST_SAMPLES
    assert samples.kept_bytes == 8 * MOST_SAMPLES
    late = sum(number >= 2 * MOST_SAMPLES for number in kept)
    assert 0.4 < late / len(kept) < 0.6


def test_samples_are_bounded_in_bytes() -> None:
    """Larger things push out others; of a very large one the begin is kept."""
    samples, random = Samples(max_bytes=100_000), Random(1)
    for size in (10, 90_000, 50, 200_000, 30_000) * 20:
        samples.take(bytes(size), random)
        assert samples.kept_bytes == sum(map(len, samples.kept)) <= 100_000
    assert max(map(len, samples.kept)) <= training.SAMPLE_BYTES


def test_it_is_time_after_so_many_and_then_after_four_times_as_many() -> None:
    """A dictionary is made of 256 things, then of 1,024, then of 4,096."""
    book, times = SampleBook(Random(1)), list[int]()
    for number in range(1, 5_000):
        samples = book.offer("one", b"x" * 20, 4_096)
        if samples is not None:
            samples.begin()
            assert book.offer("two", b"y", 4_096) is None
            samples.training = False
            times.append(number)
    assert times == [256, 1_024, 4_096]


def test_only_some_namespaces_gather_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those beyond wait until one has made its dictionary, or rests for long; nobody is thrown back for others."""
    monkeypatch.setattr(training, "GATHERING", 2)
    monkeypatch.setattr(training, "_RESTED", 1_000)
    book, done = SampleBook(Random(1)), list[str]()
    for _ in range(600):
        for name in ("a", "b", "c"):
            samples = book.offer(name, b"x" * 20, 4_096)
            if samples is not None:
                samples.begin()
                samples.training = False
                done.append(name)
    assert done[:2] == ["a", "b"]
    assert "c" in done
    assert book.offer("d", b"x", 4_096) is None


def test_what_is_forgotten_begins_anew() -> None:
    """The samples of a forgotten namespace are nobody's any more."""
    book = SampleBook(Random(1))
    for _ in range(255):
        book.offer("one", b"x" * 20, 4_096)
    book.forget("one")
    assert book.offer("one", b"x" * 20, 4_096) is None
    assert not book.holds("one", Samples(1))


def test_namespaces_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of those that came first it is not known any more how much came."""
    monkeypatch.setattr(training, "NAMESPACES", 2)
    book = SampleBook(Random(1))
    for name in ("a", "b", "c"):
        for _ in range(255):
            assert book.offer(name, b"x", 4_096) is None
    assert book.offer("c", b"x", 4_096) is not None
    assert book.offer("a", b"x", 4_096) is None


def test_a_dictionary_must_be_worth_it() -> None:
    """One is taken if it makes unseen samples smaller, and not in place of one that does as well."""
    samples = answers(500)
    made = better(samples, 16_384, 5, None)
    assert made is not None
    assert better(samples, 16_384, 5, made) is None
    random = Random(1)
    assert better([random.randbytes(500) for _ in range(200)], 16_384, 5, None) is None
    assert better([b"a"] * 200, 16_384, 5, None) is None
