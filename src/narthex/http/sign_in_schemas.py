"""The schemas of what signing in reads and answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from narthex.http.schemas import COUNT, FLAG, TEXT, Json, complete, listed, nullable, one_of, ref, said
from narthex.tenancy.sign_in.passwords import LEAST_CHARACTERS

_SECONDS: Final = said(COUNT, "Unix time in seconds.")
_PASSWORD: Final[Json] = {"type": "string", "maxLength": 512}
_NEW: Final[Json] = {**_PASSWORD, "minLength": LEAST_CHARACTERS}
_EMAIL: Final[Json] = {"type": "string", "minLength": 3, "maxLength": 320}
_CODE: Final = said({"type": "string", "maxLength": 64}, "Six digits of the authenticator, or a recovery code.")
_NAME: Final[Json] = {"type": "string", "minLength": 1, "maxLength": 200}
_TOKEN: Final = said({"type": "string", "maxLength": 512}, "Of the invitation.")

SIGN_IN: Final[Mapping[str, Json]] = {
    "AuthState": complete(
        {
            "object": {"const": "auth.state"},
            "required": said(FLAG, "Whether nobody is let in without a session or a key."),
            "has_users": said(FLAG, "Whether there is anybody who has something to sign in with."),
            "may_make_first": said(FLAG, "Whether the one who asks may make the first user."),
            "passwords": said(FLAG, "Whether passwords are taken."),
            "single_sign_on": said(nullable(TEXT), "What the single sign-on is called; null if there is none."),
            "user": nullable(ref("AuthUser")),
        }
    ),
    "AuthUser": complete(
        {
            "id": TEXT,
            "name": TEXT,
            "email": nullable(TEXT),
            "role": said(TEXT, "In the organisation."),
            "organisation_id": TEXT,
            "workspace_id": said(nullable(TEXT), "The current one."),
            "permissions": said(listed(TEXT), "In the current workspace."),
            "session_id": TEXT,
            "how": one_of("password", "second_factor", "sso"),
        }
    ),
    "AuthSession": complete(
        {
            "object": {"const": "auth.session"},
            "status": one_of("signed_in", "second_factor", "signed_out"),
            "ticket": said(nullable(TEXT), "What to send with the code, where a second factor is wanted."),
            "continue_at": said(TEXT, "Where to go to end the session of the single sign-on, too."),
        },
        ("continue_at",),
    ),
    "PasswordSignIn": complete({"email": _EMAIL, "password": _PASSWORD}),
    "SecondFactorSignIn": complete({"ticket": {"type": "string", "maxLength": 2_000}, "code": _CODE}),
    "HeldInvitation": complete({"token": _TOKEN}),
    "AcceptedInvitation": complete(
        {
            "token": _TOKEN,
            "name": said(nullable(_NAME), "Of somebody new."),
            "password": said(nullable(_NEW), "Of somebody new."),
        },
        ("name", "password"),
    ),
    "ShownInvitation": complete(
        {
            "object": {"const": "auth.invitation"},
            "email": TEXT,
            "role": TEXT,
            "organisation": said(TEXT, "Its name."),
            "workspace": said(nullable(TEXT), "Its name; null for the organisation as a whole."),
            "expires_at": _SECONDS,
            "has_account": said(FLAG, "Whether they sign in with what they have, and choose no password."),
        }
    ),
    "FirstUser": complete({"name": _NAME, "email": _EMAIL, "password": _NEW}),
    "Account": complete(
        {
            "object": {"const": "auth.account"},
            "has_password": FLAG,
            "has_second_factor": FLAG,
            "recovery_codes_left": COUNT,
            "has_single_sign_on": FLAG,
        }
    ),
    "PasswordChange": complete({"current_password": _PASSWORD, "new_password": _NEW}),
    "PasswordProof": complete({"password": _PASSWORD}),
    "CodeProof": complete({"code": _CODE}),
    "NewFactor": complete(
        {
            "object": {"const": "auth.new_factor"},
            "secret": said(TEXT, "In base32, for who cannot scan."),
            "address": said(TEXT, "`otpauth://…`"),
            "qr_svg": said(TEXT, "The address as a QR code, SVG."),
        }
    ),
    "RecoveryCodes": complete(
        {"object": {"const": "auth.recovery_codes"}, "codes": said(listed(TEXT), "Told this once; each is good once.")}
    ),
    "FactorRemoved": complete({"object": {"const": "auth.factor_removed"}}),
    "AuthSessions": complete(
        {
            "object": {"const": "list"},
            "data": listed(
                complete(
                    {
                        "object": {"const": "session"},
                        "id": TEXT,
                        "created_at": _SECONDS,
                        "seen_at": _SECONDS,
                        "expires_at": _SECONDS,
                        "address": TEXT,
                        "agent": said(TEXT, "What the browser says it is."),
                        "how": one_of("password", "second_factor", "sso"),
                        "is_this_one": FLAG,
                    }
                )
            ),
            "has_more": FLAG,
            "next": nullable(TEXT),
        }
    ),
    "SessionEnded": complete({"object": {"const": "auth.session_ended"}, "id": TEXT}),
}
"""By their names in the document."""
