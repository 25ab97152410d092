"""What every error is, and how one is let go of."""

from __future__ import annotations

from typing import ClassVar, TypeVar


class NarthexError(Exception):
    """Narthex could not do what was asked."""

    code: ClassVar[str] = "error"
    status: int = 500
    type: ClassVar[str] = "server_error"
    attempts: str | None = None
    """What was tried before this was told, as in the header `x-narthex-attempts`; set by the engine."""
    request_id: str | None = None
    """Under which the server's log has the request; set by the engine, and by the clients on what a server sent."""

    def __init__(
        self,
        message: str | None = None,
        *,
        param: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        """Keep the facts as fields.

        Args:
            message: What was bad, what was expected, and the remedy; by default the first line of the docstring.
            param: The request field at fault, as a path such as `messages.0.content`.
            retry_after_s: When trying again makes sense, in seconds from now.
        """
        self.message = message or (type(self).__doc__ or "").partition("\n")[0]
        self.param = param
        self.retry_after_s = retry_after_s
        super().__init__(self.message)


_Error = TypeVar("_Error", bound=BaseException)
_Told = TypeVar("_Told", bound=NarthexError)


def alike(error: _Told) -> _Told:
    """Return an error that says the same: each request puts its own ID on its own."""
    other = type(error).__new__(type(error), *error.args)
    other.__dict__.update(error.__dict__)
    other.request_id = None
    return other


def without_frames(error: _Error) -> _Error:
    """Return an error that was dealt with, and let go of the frames that it and its causes came through.

    They hold the call, and the call holds its errors: nothing of it would be freed before the collector comes by.
    """
    link: BaseException | None = error
    seen: list[BaseException] = []
    while link is not None and link not in seen:
        link.__traceback__ = None
        seen.append(link)
        link = link.__cause__ or link.__context__
    return error
