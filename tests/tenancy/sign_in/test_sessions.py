"""Sessions in memory."""

from __future__ import annotations

from narthex.tenancy.sign_in.sessions import Lifetimes, Session, Sessions, digest_of


def session(name: str, *, seen_at: int = 0, expires_at: int = 1_000, user_id: str = "usr_a") -> Session:
    """Return a session whose token is its name."""
    return Session(
        id=f"ses_{name}",
        digest=digest_of(name),
        user_id=user_id,
        created_at=0,
        seen_at=seen_at,
        expires_at=expires_at,
        address="",
        agent="",
        how="password",
    )


def test_a_session_ends_unused_and_in_any_case() -> None:
    """By whichever comes first."""
    sessions = Sessions(Lifetimes(idle_ms=100, longest_ms=1_000))
    sessions.load([session("a", seen_at=950), session("b", seen_at=10)])
    assert sessions.find("b", 109) is not None
    assert sessions.find("b", 110) is None
    assert sessions.find("a", 999) is not None
    assert sessions.find("a", 1_000) is None
    assert sessions.find("c", 0) is None


def test_what_changes_is_taken_over() -> None:
    """One that is named and not found is no more; a list is that of one user, the last used first."""
    sessions = Sessions(Lifetimes(idle_ms=100, longest_ms=1_000))
    sessions.load([session("a", seen_at=1), session("b", seen_at=2), session("c", user_id="usr_b")])
    assert [one.id for one in sessions.of("usr_a", 5)] == ["ses_b", "ses_a"]
    assert sessions.take(["ses_a", "ses_b"], [session("a", seen_at=50)])
    assert not sessions.take(["ses_a", "ses_b"], [session("a", seen_at=50)])
    assert sessions.held(digest_of("a"), 60) == sessions.find("a", 60) is not None
    assert [one.id for one in sessions.of("usr_a", 60)] == ["ses_a"]
    assert sessions.find("b", 5) is None
    sessions.load([])
    assert sessions.find("a", 60) is None
