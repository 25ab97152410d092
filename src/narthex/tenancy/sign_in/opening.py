"""Opens the accounts of a server with who is signed in: nobody is to be let in whom that would have stopped."""

from __future__ import annotations

from narthex.audit.log import Audit
from narthex.config.settings import Settings
from narthex.config.sign_in_settings import SignInSettings
from narthex.stores.database.configured import url_in
from narthex.tenancy.keys import Keyring
from narthex.tenancy.lookout import Lookout, Spawn
from narthex.tenancy.office import Office
from narthex.tenancy.opening import open_office
from narthex.tenancy.sign_in.reception import Reception, may_have_users


def open_accounts(settings: Settings, keyring: Keyring, audit: Audit, spawn: Spawn) -> Office:
    """Return the office of a server, with its reception; until that knows who is there nobody gets in without a name.

    Args:
        settings: Of the server.
        keyring: The keys that open it.
        audit: Where it is written what was done.
        spawn: Starts what nobody waits for.
    """
    office = open_office(settings, keyring, audit)
    keyring.lookout = Lookout(office.catch_up, spawn)
    maybe = may_have_users(url_in(settings), settings.data_dir.expanduser())
    keyring.demand(None if maybe else False)
    Reception(office, settings.sign_in, sealer=office.sealer, spawn=spawn)
    return office


def adopt_accounts(office: Office, keyring: Keyring, settings: SignInSettings) -> None:
    """Take other keys of the configuration over, and other settings of signing in."""
    office.directory.keyring.adopt(keyring)
    assert office.reception is not None, "it is opened with the office"
    office.reception.adopt(settings)
