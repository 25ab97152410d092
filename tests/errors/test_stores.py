"""What may be wrong with the database."""

from __future__ import annotations

import pytest

from narthex import errors


@pytest.mark.parametrize("kind", errors.StoreUnavailable.__subclasses__())
def test_every_fault_of_the_database_is_one_of_the_server(kind: type[errors.StoreUnavailable]) -> None:
    """Callers are told to try again, and each fault has a code of its own."""
    assert kind().status == 503
    assert kind.code not in {other.code for other in errors.StoreUnavailable.__subclasses__() if other is not kind}
