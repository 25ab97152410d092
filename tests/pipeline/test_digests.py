"""Requests are told apart, and nobody waits while a large one is read through."""

from __future__ import annotations

import threading

import pytest

from narthex.pipeline import digests
from narthex.pipeline.digests import LARGE_BYTES, digested
from narthex.resilience.idempotency import digest_of


@pytest.mark.parametrize(("size", "beside"), [(LARGE_BYTES - 1, False), (LARGE_BYTES, True)])
async def test_a_large_body_is_digested_beside_the_loop(
    size: int, beside: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In another thread, with the same result; a small one at once, which is quicker than a thread."""
    threads: list[bool] = []

    def noted(where: str, body: bytes) -> bytes:
        threads.append(threading.current_thread() is not threading.main_thread())
        return digest_of(where, body)

    monkeypatch.setattr(digests, "digest_of", noted)
    assert await digested("here", b"x" * size) == digest_of("here", b"x" * size)
    assert threads == [beside]
