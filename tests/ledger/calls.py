"""Calls as they are written down."""

from __future__ import annotations

import msgspec

from narthex.ledger.entries import Entry, Opened


def opened(number: int = 0, **changes: object) -> Opened:
    """Return a call that goes out."""
    plain = Opened(
        id=f"req_{number}",
        at=1_790_000_000_000 + number * 1_000,
        request_id=f"req_{number}",
        organisation_id="org_a",
        workspace_id="ws_a",
        user_id="",
        key_id="key_a",
        end_user="",
        tags="",
        operation="chat",
        surface="openai.chat",
        model="acme/one",
        model_asked="one",
        kind="call",
        price_id="prc_1",
        input_tokens=10,
        cost_picousd=1_000,
    )
    return msgspec.structs.replace(plain, **changes)


def entry(number: int = 0, **changes: object) -> Entry:
    """Return an entry."""
    name = f"req_{number}"
    plain = Entry(
        *(f"{name}:0", 1_790_000_000_000 + number * 1_000, "call", "settled", name, 0, "first"),
        *("org_a", "ws_a", "", "key_a", "", ""),
        *("chat", "openai.chat", "acme", "acme/one", "one", "ok"),
        requests=1,
        input_tokens=10,
        output_tokens=20,
        price_id="prc_1",
        cost_picousd=123_456_789,
        duration_ms=5,
    )
    return msgspec.structs.replace(plain, **changes)
