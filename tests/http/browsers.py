"""A browser without a screen, for tests of signing in: it keeps cookies, and says where it comes from."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from tests.gateways import RunningGateway

ADA = {"name": "Ada", "email": "ada@example.org", "password": "nine blue herons stand"}


def browser(gateway: RunningGateway) -> httpx.Client:
    """Return a browser that shows a page of this server."""
    ours = {"origin": gateway.url, "sec-fetch-site": "same-origin", "x-narthex-csrf": "1"}
    return httpx.Client(base_url=gateway.url, headers=ours, timeout=30)


@contextmanager
def first(gateway: RunningGateway) -> Iterator[httpx.Client]:
    """Make the first user; give their browser."""
    with browser(gateway) as one:
        answer = one.post("/api/auth/first", json=ADA)
        assert answer.status_code == 200, answer.text
        yield one


@contextmanager
def sign_in(gateway: RunningGateway, password: str = ADA["password"]) -> Iterator[httpx.Client]:
    """Sign the first user in with another browser."""
    with browser(gateway) as one:
        answer = one.post("/api/auth/password", json={"email": ADA["email"], "password": password})
        assert answer.status_code == 200, answer.text
        yield one
