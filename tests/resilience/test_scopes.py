"""How far each failure reaches stands in one table, and agrees with what the failure leads to."""

from __future__ import annotations

import pytest

from narthex.errors import Failure, InvalidRequest, ModelUnavailable, NarthexError, Overloaded, ProviderError
from narthex.resilience.decisions import DECISIONS
from narthex.resilience.scopes import SCOPES, Scope, scope_of

REACH = {
    Scope.PROVIDER: {"connect", "connect_timeout", "authentication"},
    Scope.SEVERAL: {"upstream_error", "overloaded", "first_token_timeout"},
    Scope.MODEL: {"stall", "truncated", "malformed"},
}


@pytest.mark.parametrize("failure", Failure)
def test_every_class_reaches_as_far_as_the_table_says(failure: Failure) -> None:
    """Each class is held against the provider, against one model, or against nobody."""
    expected = next((scope for scope, classes in REACH.items() if failure in classes), Scope.NOBODY)
    assert SCOPES[failure] is expected
    assert scope_of(ProviderError(provider="up", failure=failure)) is expected


@pytest.mark.parametrize("failure", Failure)
def test_what_breaks_a_model_is_held_against_somebody(failure: Failure) -> None:
    """A failure that a model's breaker counts reaches the model at least, and no other reaches a model alone."""
    if DECISIONS[failure].breaks:
        assert SCOPES[failure] is not Scope.NOBODY
    else:
        assert SCOPES[failure] in {Scope.NOBODY, Scope.PROVIDER}


@pytest.mark.parametrize("error", [InvalidRequest(), ModelUnavailable(), Overloaded()])
def test_what_no_provider_sent_is_held_against_nobody(error: NarthexError) -> None:
    """A fault of the request or of this server takes no provider away."""
    assert scope_of(error) is Scope.NOBODY


def test_what_lies_with_us_is_held_against_nobody() -> None:
    """A provider that was not asked, because a hand took its keys away, has not failed."""
    error = ProviderError(provider="up", failure=Failure.AUTHENTICATION)
    error.lies_with_us = True
    assert scope_of(error) is Scope.NOBODY


def test_a_provider_that_gave_up_itself_counts_as_silent() -> None:
    """Its own word for a timeout reaches as far as a silence would."""
    error = ProviderError(provider="up", failure=Failure.DEADLINE, upstream_status=504)
    assert scope_of(error) is Scope.SEVERAL
