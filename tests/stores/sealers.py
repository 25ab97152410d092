"""What tests seal with."""

from __future__ import annotations

import pytest

from narthex.config.audit_settings import SecretsSettings
from narthex.stores.database import Database
from narthex.stores.master_keys import master_keys
from narthex.stores.sealing import Sealer, begin_sealing


@pytest.fixture
def sealer(database: Database, tmp_path_factory: pytest.TempPathFactory) -> Sealer:
    """The sealer of the database."""
    keys = master_keys(SecretsSettings(), tmp_path_factory.mktemp("keys"))
    return database.write_now(lambda connection: begin_sealing(connection, keys))
