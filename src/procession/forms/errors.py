"""What is wrong with a form or with answers to it: a place and a message each."""

from __future__ import annotations

from collections.abc import Sequence

Details = tuple[tuple[str, str], ...]
"""(field, message) pairs: a path like `steps[0].title`, or the name of a form's field."""


class _Invalid(Exception):
    def __init__(self, details: Sequence[tuple[str, str]]) -> None:
        super().__init__((self.__doc__ or "").strip())
        self.details: Details = tuple(details)

    def __str__(self) -> str:
        places = "; ".join(f"{field}: {message}" for field, message in self.details)
        return f"{self.args[0]} {places}"


class FormInvalid(_Invalid):
    """The form breaks a rule."""


class AnswersInvalid(_Invalid):
    """The answers do not fit the form."""
