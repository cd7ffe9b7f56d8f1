"""A real SMTP conversation on loopback, with every line of it in our hands."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from free_port import free_port


@dataclass
class Mailbox:
    """Keeps what was handed in; `rcpt` and `data` are said instead of taking it."""

    rcpt: dict[str, str] = field(default_factory=dict)
    data: str = ""
    mails: list[Envelope] = field(default_factory=list)
    users: list[str] = field(default_factory=list)
    secure: list[bool] = field(default_factory=list)

    async def handle_RCPT(
        self, _: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address in self.rcpt:
            return self.rcpt[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _: SMTP, session: Session, envelope: Envelope) -> str:
        if self.data:
            return self.data
        self.mails.append(envelope)
        self.secure.append(session.ssl is not None)
        return "250 kept"

    def message(self, place: int = 0) -> EmailMessage:
        content = self.mails[place].content
        assert isinstance(content, bytes)
        message = message_from_bytes(content, policy=default)
        assert isinstance(message, EmailMessage)
        return message

    def log_in(self, _: SMTP, __: Session, ___: Envelope, ____: str, given: object) -> AuthResult:
        assert isinstance(given, LoginPassword)
        self.users.append(given.login.decode())
        return AuthResult(success=given.password == b"pass word", handled=False)


@contextmanager
def mail_server(box: Mailbox, tls: ssl.SSLContext | None = None, port: int = 0) -> Iterator[int]:
    """Its port. With `tls` it takes mail only after STARTTLS and a password."""
    words: dict[str, object] = {}
    if tls is not None:
        words = {
            "tls_context": tls,
            "require_starttls": True,
            "auth_required": True,
            "authenticator": box.log_in,
        }
    port = port or free_port()
    controller = Controller(box, hostname="127.0.0.1", port=port, **words)
    controller.start()
    try:
        yield port
    finally:
        controller.stop()
