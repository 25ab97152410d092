"""Zstandard with a dictionary."""

from __future__ import annotations

import threading

import pytest

from narthex.compression.zstandard import Zstandard, train
from narthex.errors import CorruptFrame
from tests.compression.samples import answers


def test_a_dictionary_makes_short_answers_smaller() -> None:
    """What was seen in samples is not written again."""
    codec = Zstandard(train(answers(400), 16_384, 5))
    one = answers(401)[-1]
    written = codec.compress(one, 5)
    assert codec.decompress(written, len(one)) == one
    assert len(written) * 2 < len(Zstandard().compress(one, 5))


def test_another_dictionary_does_not_read_it() -> None:
    """What was written with a dictionary is refused, or at least not taken for something else, without it."""
    one = answers(401)[-1]
    written = Zstandard(train(answers(400), 16_384, 5)).compress(one, 5)
    with pytest.raises(CorruptFrame):
        Zstandard().decompress(written, len(one))


def test_what_is_no_dictionary_is_refused() -> None:
    """A damaged dictionary is found out when it is taken."""
    with pytest.raises(CorruptFrame, match="no dictionary"):
        Zstandard(b"nothing")


def test_samples_that_are_too_few_give_none() -> None:
    """There is nothing to be learned from next to nothing."""
    with pytest.raises(ValueError, match=r"."):
        train([b"a", b"b"], 4_096, 5)


def test_a_codec_is_used_by_several_threads() -> None:
    """Threads that compress with one codec at once do not get each other's bytes."""
    codec, given = Zstandard(train(answers(400), 16_384, 5)), answers(60)
    wrong: list[bytes] = []

    def work() -> None:
        wrong.extend(one for one in given if codec.decompress(codec.compress(one, 5), len(one)) != one)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
