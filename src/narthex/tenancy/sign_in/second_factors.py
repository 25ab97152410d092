"""The second factor: one-time codes of an authenticator (RFC 6238), and recovery codes for the day it is lost."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from io import BytesIO
from typing import Final

STEP_S: Final = 30
_DRIFT_STEPS: Final = 1
"""How far the clock of an authenticator may be off, in steps."""
_CODES: Final = 10
_ALPHABET: Final = "abcdefghjkmnpqrstuvwxyz23456789"
"""Nothing in it looks like something else."""
_CODE_CHARACTERS: Final = 12
"""Of 31 each: 59 bits, which no hash that is slow would have to guard."""
_ISSUER: Final = "Narthex"


def new_secret() -> str:
    """Return a new secret, in base32 as authenticators take it."""
    import pyotp  # noqa: PLC0415 - loaded when somebody signs in: no start waits for it

    return pyotp.random_base32()


def address_of_secret(secret: str, *, account: str) -> str:
    """Return what the square holds that authenticators scan: `otpauth://…`."""
    from pyotp.totp import TOTP  # noqa: PLC0415 - as above

    return TOTP(secret, interval=STEP_S).provisioning_uri(name=account, issuer_name=_ISSUER)


def square_of(address: str) -> str:
    """Return a QR code as SVG."""
    import segno  # noqa: PLC0415 - as above

    out = BytesIO()
    segno.make(address, error="m").save(out, kind="svg", xmldecl=False, svgns=True, border=2, scale=4)
    return out.getvalue().decode()


def step_of(secret: str, code: str, *, now_s: float, last_step: int | None) -> int | None:
    """Return the step of time that a code belongs to; None if it is not valid now, or was used before.

    Args:
        secret: Of the authenticator.
        code: As it was typed.
        now_s: Unix time.
        last_step: Step of the last code that was accepted: neither that one nor an older one is again.
    """
    from pyotp.totp import TOTP  # noqa: PLC0415 - as above

    typed = "".join(code.split())
    if not (typed.isascii() and typed.isdecimal() and len(typed) == 6):
        return None
    current = int(now_s) // STEP_S
    otp = TOTP(secret, interval=STEP_S)
    found = None
    for step in range(current - _DRIFT_STEPS, current + _DRIFT_STEPS + 1):
        fits = hmac.compare_digest(otp.generate_otp(step), typed)
        if fits and (last_step is None or step > last_step):
            found = step
    return found


def new_recovery_codes() -> list[str]:
    """Return codes that are shown once, and each used once."""
    return ["-".join(_random(4) for _ in range(_CODE_CHARACTERS // 4)) for _ in range(_CODES)]


def hash_of_code(code: str) -> str:
    """Return what is kept of a recovery code. It is random enough for a hash that is fast."""
    plain = "".join(one for one in code.casefold() if one.isalnum())
    return hashlib.sha256(b"narthex recovery code\0" + plain.encode()).hexdigest()


def _random(count: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(count))
