"""Codes of an authenticator, and recovery codes."""

from __future__ import annotations

import pyotp
import pytest
from pyotp.totp import TOTP

from narthex.tenancy.sign_in.second_factors import (
    address_of_secret,
    hash_of_code,
    new_recovery_codes,
    new_secret,
    square_of,
    step_of,
)

SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
"""That of the test vectors of RFC 6238: `12345678901234567890`."""


@pytest.mark.parametrize(
    ("now_s", "code"),
    [(59, "287082"), (1_111_111_109, "081804"), (1_234_567_890, "005924"), (20_000_000_000, "353130")],
)
def test_codes_are_those_of_the_standard(now_s: int, code: str) -> None:
    """The vectors of RFC 6238, appendix B, in six digits."""
    assert step_of(SECRET, code, now_s=now_s, last_step=None) == now_s // 30


def test_a_clock_may_be_off_by_one_step() -> None:
    """Not by two."""
    otp, now_s = TOTP(SECRET), 1_700_000_000
    for off, fits in ((-60, False), (-30, True), (0, True), (30, True), (60, False)):
        found = step_of(SECRET, otp.at(now_s + off), now_s=now_s, last_step=None)
        assert (found is not None) is fits, off


def test_a_code_is_good_once() -> None:
    """Neither it nor an older one is taken after it."""
    otp, now_s = TOTP(SECRET), 1_700_000_000
    step = step_of(SECRET, otp.at(now_s), now_s=now_s, last_step=None)
    assert step is not None
    assert step_of(SECRET, otp.at(now_s), now_s=now_s, last_step=step) is None
    assert step_of(SECRET, otp.at(now_s - 30), now_s=now_s, last_step=step) is None
    assert step_of(SECRET, otp.at(now_s + 30), now_s=now_s, last_step=step) == step + 1


@pytest.mark.parametrize("code", ["", "12345", "1234567", "abcdef", "١٢٣٤٥٦", "-12345"])
def test_what_is_no_code_is_none(code: str) -> None:
    """Six digits of ASCII, spaces aside."""
    assert step_of(SECRET, code, now_s=59, last_step=None) is None
    assert step_of(SECRET, "287 082", now_s=59, last_step=None) == 1


def test_an_authenticator_scans_a_square() -> None:
    """It holds the address, which names the account."""
    secret = new_secret()
    address = address_of_secret(secret, account="ada@example.org")
    assert pyotp.parse_uri(address).secret == secret
    assert "Narthex" in address
    square = square_of(address)
    assert square.startswith("<svg")
    assert "script" not in square


def test_recovery_codes_are_hashed_as_they_are_meant() -> None:
    """Ten, all different; capitals, spaces and dashes do not matter."""
    codes = new_recovery_codes()
    assert len(set(codes)) == 10
    assert hash_of_code(codes[0].upper().replace("-", " ")) == hash_of_code(codes[0])
    assert hash_of_code(codes[0]) != hash_of_code(codes[1])
