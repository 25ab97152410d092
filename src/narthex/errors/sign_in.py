"""What may go wrong when somebody signs in."""

from __future__ import annotations

from narthex.errors.accounts import NotFound
from narthex.errors.requests import AuthenticationFailed, PermissionDenied, RequestError


class SignInRequired(AuthenticationFailed):
    """This server knows its users: sign in at the dashboard, or send an API key as `Authorization: Bearer …`."""

    code = "sign_in_required"


class SignInFailed(RequestError):
    """The e-mail address or the password is not right."""

    code = "sign_in_failed"
    status = 401
    type = "authentication_error"


class SecondFactorFailed(SignInFailed):
    """This code is not valid now, or was used before: wait for the next one."""

    code = "second_factor_failed"


class SignInExpired(SignInFailed):
    """This sign-in took too long, or was begun elsewhere: begin anew."""

    code = "sign_in_expired"


class SingleSignOnFailed(SignInFailed):
    """The single sign-on did not vouch for you."""

    code = "single_sign_on_failed"


class SignInThrottled(RequestError):
    """Too many failed sign-ins: wait a moment before the next."""

    code = "sign_in_throttled"
    status = 429
    type = "rate_limit_error"


class InvitationUnusable(NotFound):
    """This invitation is not known here: ask whoever invited you for another one."""

    code = "invitation_unusable"


class CrossSiteRequest(PermissionDenied):
    """This request comes from another site, or lacks the header `x-narthex-csrf` that the dashboard sends."""

    code = "cross_site_request"
