"""What this machine gives."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import pytest

from narthex.providers.embedded.hardware import available_memory_bytes, missing_instructions, usable_cores


@pytest.mark.parametrize(
    ("flags", "missing"),
    [
        ("fpu sse2 avx2 fma f16c", ()),
        ("fpu sse2", ("avx2", "fma", "f16c")),
        ("avx2 f16c", ("fma",)),
    ],
)
def test_names_missing_instructions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flags: str, missing: tuple[str, ...]
) -> None:
    """On x86-64, what the engine needs is looked for in the processor's flags."""
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    info = tmp_path / "cpuinfo"
    info.write_text(f"processor\t: 0\nflags\t\t: {flags}\n", encoding="utf-8")
    assert missing_instructions(info) == missing


def test_other_processors_and_unknown_ones_may_try(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is refused on a guess."""
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    assert missing_instructions(tmp_path / "none") == ()
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    assert missing_instructions() == ()


@pytest.mark.parametrize(("quota", "most"), [("max 100000", 64), ("100000 100000", 1), ("250000 100000", 3), ("", 64)])
def test_keeps_to_the_containers_share(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quota: str, most: int) -> None:
    """A container's quota limits the processors, rounded up; without one, the affinity does."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(64)), raising=False)
    (tmp_path / "cpu.max").write_text(quota, encoding="utf-8")
    assert usable_cores(tmp_path) == most


def test_memory_is_the_least_of_system_and_container(tmp_path: Path) -> None:
    """What is free is what neither the system nor the container forbids; unknown is None."""
    info = tmp_path / "meminfo"
    info.write_text("MemTotal: 2000 kB\nMemAvailable: 1000 kB\n", encoding="utf-8")
    assert available_memory_bytes(info, tmp_path) == 1000 << 10
    (tmp_path / "memory.max").write_text("5000\n", encoding="utf-8")
    (tmp_path / "memory.current").write_text("3000\n", encoding="utf-8")
    assert available_memory_bytes(info, tmp_path) == 2000
    assert available_memory_bytes(tmp_path / "none", tmp_path / "none") is None
