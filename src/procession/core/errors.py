"""Everything that can be refused, one class each; the docstring is the message."""

from __future__ import annotations

from typing import ClassVar, Literal


class Refused(Exception):
    """The request was refused."""

    code: ClassVar[str] = "refused"

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail or (self.__doc__ or "").strip())

    @property
    def detail(self) -> str:
        return str(self.args[0])


class NotFound(Refused):
    """Not found."""

    code = "not_found"


class AccountUnknown(NotFound):
    """The account is unknown or inactive."""

    code = "account_not_found"


class PhoneUnknown(NotFound):
    """The phone is unknown or inactive."""

    code = "phone_not_found"


class Invalid(Refused):
    """The input breaks a rule; `pointer` is the JSON pointer of the field."""

    code = "invalid"

    def __init__(self, pointer: str, message: str) -> None:
        super().__init__(f"{pointer or 'the body'}: {message}")
        self.pointer = pointer
        self.message = message


class CapabilityRefused(Refused):
    """The capability cannot be used this way."""

    code = "capability_refused"


class WrongState(Refused):
    """The process is in a state that does not allow this."""

    code = "wrong_state"


class StillHeld(Refused):
    """The former run is not yet known dead; try again when its lease is over."""

    code = "still_held"


class LeaseLost(Refused):
    """This run no longer holds its item; another attempt may have it."""

    code = "lease_lost"


class RequestReused(Refused):
    """The identifier is taken by another object."""

    code = "request_reused"


class Overloaded(Refused):
    """Too much work is waiting to be written; try again shortly."""

    code = "overloaded"


class InstallationMoved(Overloaded):
    """The installation was moved to another database; ask the server there."""

    code = "moved"


class Unauthenticated(Refused):
    """The token is missing, unknown or revoked."""

    code = "unauthenticated"

    def __init__(self, why: Literal["missing", "unknown", "revoked"] = "missing") -> None:
        super().__init__()
        self.why = why
        """Only for a face whose contract tells them apart."""


class Forbidden(Refused):
    """The token lacks the scope this needs."""

    code = "forbidden"
