"""Python, packages, processor, open files and clock."""

from __future__ import annotations

import pytest

from narthex.cli.health import machine


def test_the_interpreter() -> None:
    """One that is too old is told with the one that is needed."""
    assert machine.python().status == "ok"
    old = machine.python((3, 10, 4))
    assert (old.status, old.detail) == ("fail", "3.10.4 is too old")
    assert "3.11" in str(old.remedy)


def test_the_packages_that_are_installed_are_enough() -> None:
    """What this suite runs with satisfies what Narthex declares."""
    (finding,) = machine.packages()
    assert finding.status == "ok"


def test_missing_and_old_packages_fail() -> None:
    """Each is named, with what would be enough."""
    found = list(
        machine.packages(["no-such-package-anywhere>=1", "click>=999.1", "click>=8", 'uvloop; sys_platform != "x"'])
    )
    assert [finding.detail.split(" ")[0] for finding in found] == ["no-such-package-anywhere", "click"]
    assert found[1].detail.endswith("is older than 999.1")


@pytest.mark.parametrize(
    ("name", "features", "status"),
    [
        ("x86_64", "fpu avx2 fma f16c", "ok"),
        ("x86_64", "fpu avx", "warn"),
        ("x86_64", "", "ok"),
        ("aarch64", "", "ok"),
    ],
)
def test_the_processor(name: str, features: str, status: str) -> None:
    """Only an x86 processor that lacks instructions is a remark; what cannot be read is not guessed."""
    assert machine.processor(name, features).status == status


def test_this_processor_is_judged() -> None:
    """The machine at hand can be looked at."""
    assert machine.processor().detail


def test_open_files() -> None:
    """A low limit is told with the command that raises it."""
    assert machine.open_files(65_536).status == "ok"
    low = machine.open_files(256)
    assert (low.status, low.remedy) == ("warn", "ulimit -n 65536")
    assert machine.open_files().detail


def test_the_clock() -> None:
    """A clock that was never set fails."""
    assert machine.clock().status == "ok"
    assert machine.clock(0).status == "fail"
