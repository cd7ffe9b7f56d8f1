"""Mail to people about what they are asked: codes, and reminders of what still waits."""

from __future__ import annotations

import structlog

from procession.core.errors import Refused
from procession.engine import Engine
from procession.sinks.carrier import make_mailer

_REFUSED = 400
"""A mail server's reply code from here on means that it did not take the mail."""

_log = structlog.get_logger(__name__)


class MailOff(Refused):
    """This server sends no mail: it needs the settings smtp_url and mail_from."""

    code = "mail_off"


class MailAway(Refused):
    """The mail could not be sent; try again shortly."""

    code = "mail_away"


class Mailing:
    """Sends mail while somebody waits for it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._mailer = make_mailer(engine.settings)

    @property
    def works(self) -> bool:
        """Whether mail can be sent at all."""
        return self._mailer is not None

    async def send(self, to: str, subject: str, text: str) -> None:
        """Raises MailOff, MailAway."""
        if self._mailer is None:
            raise MailOff
        from procession.sinks.smtp import Mail

        mail = Mail(to=(to,), subject=subject, text=text)
        answer = await self._mailer.send(mail, self._engine.now_ms())
        if answer.status is None or answer.status >= _REFUSED:
            _log.warning("mail_not_sent", status=answer.status, error=answer.error)
            raise MailAway


def code_text(code: str, minutes: int) -> str:
    """What a mail with a one-time code says."""
    return (
        f"Your code is {code}\n\nIt opens the form you were asked to fill in, is valid for"
        f" {minutes} minutes and works once.\n\nIf you did not ask for it, you can ignore this"
        " mail. Never tell the code to anybody.\n"
    )


def reminder_text(title: str, url: str, expires: str) -> str:
    """What a reminder says; `expires` is a time, or empty."""
    until = f"\nIt can be answered until {expires}.\n" if expires else ""
    return f"This still waits for you:\n\n{title}\n\n{url}\n{until}"


def escalation_text(title: str, url: str, assignee: str) -> str:
    """What those are told who look after what nobody answers."""
    whom = f"was sent to {assignee}" if assignee else "is assigned to nobody"
    return f"Nobody has answered this yet. It {whom}.\n\n{title}\n\n{url}\n"
