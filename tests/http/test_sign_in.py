"""What the routes of signing in have in common."""

from __future__ import annotations

from starlette.responses import Response

from narthex.http.sign_in import without_session


def test_a_session_is_forgotten_under_both_names() -> None:
    """Whichever the browser has."""
    fields = without_session(Response()).headers.getlist("set-cookie")
    assert [one.partition("=")[0] for one in fields] == ["__Host-narthex_session", "narthex_session"]
    assert all("Max-Age=0" in one for one in fields)
