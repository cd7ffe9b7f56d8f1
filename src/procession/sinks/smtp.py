"""Mail through an SMTP server: what a mail is, and one try at sending it."""

from __future__ import annotations

import asyncio
import contextlib
import re
import ssl
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from typing import Literal, NamedTuple
from urllib.parse import unquote, urlsplit

import aiosmtplib
from aiosmtplib import (
    SMTPDataError,
    SMTPException,
    SMTPRecipientsRefused,
    SMTPResponseException,
)
from msgspec import Struct

from procession.sinks.definitions import is_address
from procession.webhooks.delivery import Answer
from procession.webhooks.post import ERROR_CHARS_MAX

SEND_S_MAX = 9
SUBJECT_CHARS_MAX = 200
_PORTS = {"smtp": 25, "smtp+starttls": 587, "smtps": 465}
_UNSAFE = re.compile(r"[\s\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")
_UNNAMED = re.compile(r"[^A-Za-z0-9_-]+")
_PERMANENT = 500
_SENT = 250

Tls = Literal["smtp", "smtp+starttls", "smtps"]


class MailServer(NamedTuple):
    """Where mail is handed in; `scheme` says how the connection is made secret."""

    scheme: Tls
    host: str
    port: int
    user: str = ""
    password: str = ""


def parse_mail_server(url: str) -> MailServer:
    """Read `smtps://user:password@host:465`, `smtp+starttls://…` or `smtp://host`.

    Raises ValueError; a password is never taken for a connection that anybody can read.
    """
    parts = urlsplit(url)
    if parts.scheme not in _PORTS or not parts.hostname or parts.path.strip("/") or parts.query:
        raise ValueError("a mail server is written smtps://user:password@host:465")
    if parts.username and parts.scheme == "smtp":
        raise ValueError("a password needs smtps:// or smtp+starttls://")
    port = parts.port or _PORTS[parts.scheme]
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    scheme: Tls = "smtp"
    if parts.scheme != "smtp":
        scheme = "smtps" if parts.scheme == "smtps" else "smtp+starttls"
    return MailServer(scheme, parts.hostname, port, user, password)


def parse_sender(text: str) -> Address:
    """Read `forms@example.com` or `Forms <forms@example.com>`. Raises ValueError."""
    name, address = parseaddr(text)
    if not is_address(address):
        raise ValueError("the sender is written name@example.com or Name <name@example.com>")
    return Address(_line(name), addr_spec=address)


class Attachment(NamedTuple):
    """A file that goes with a mail; `type` as in `application/pdf`."""

    name: str
    type: str
    data: bytes


class Mail(Struct, frozen=True, kw_only=True):
    """One mail, in text and, where there is some, HTML. `message_id` makes repeats recognizable."""

    to: tuple[str, ...]
    subject: str
    text: str
    html: str = ""
    message_id: str = ""
    attachments: tuple[Attachment, ...] = ()


class Mailer:
    """Hands mail to one server, a connection each. `tls`: the authorities to trust."""

    def __init__(
        self, server: MailServer, sender: Address, tls: ssl.SSLContext | None = None
    ) -> None:
        self._server = server
        self._sender = sender
        self._tls = tls

    async def send(self, mail: Mail, now_ms: int) -> Answer:
        """One try; never raises for what the server or the network does.

        The status is the server's reply code, or None when nobody answered. Raises ValueError for
        an address that is none.
        """
        message = self._message(mail, now_ms)
        time = asyncio.get_running_loop().time
        began_s = time()
        status, error, head = await self._tried(message, mail.to)
        is_final = status is not None and status >= _PERMANENT and head is None
        took_ms = round((time() - began_s) * 1_000)
        return Answer(status, error, took_ms, (head or "").encode(), is_final=is_final)

    async def _tried(
        self, message: EmailMessage, to: tuple[str, ...]
    ) -> tuple[int | None, str | None, str | None]:
        """Code, error and what was said; nothing said means that the mail itself was refused."""
        try:
            async with asyncio.timeout(SEND_S_MAX):
                refused, said = await self._handed_over(message, to)
        except SMTPRecipientsRefused as error:
            codes = [one.code for one in error.recipients]
            return min(codes), _shown(error.recipients[0]), None
        except SMTPDataError as error:
            return error.code, _shown(error), None
        except SMTPResponseException as error:
            return error.code, _shown(error), ""
        except TimeoutError:
            return None, "the mail server did not answer in time", ""
        except (SMTPException, OSError, ValueError) as error:
            return None, _shown(error), ""
        note = f"refused: {', '.join(refused)}"[:ERROR_CHARS_MAX] if refused else None
        return _SENT, note, said

    async def _handed_over(
        self, message: EmailMessage, to: tuple[str, ...]
    ) -> tuple[dict[str, aiosmtplib.SMTPResponse], str]:
        """The connection is over when this returns, without the goodbyes of TLS."""
        client = self._client()
        try:
            await client.connect()
            taken = await client.send_message(
                message, sender=self._sender.addr_spec, recipients=list(to)
            )
            with contextlib.suppress(SMTPException, OSError):
                await client.execute_command(b"QUIT")
        finally:
            if isinstance(client.transport, asyncio.WriteTransport):
                client.transport.abort()
            client.close()
        return taken

    def _client(self) -> aiosmtplib.SMTP:
        server = self._server
        return aiosmtplib.SMTP(
            hostname=server.host,
            port=server.port,
            username=server.user or None,
            password=server.password or None,
            use_tls=server.scheme == "smtps",
            start_tls=server.scheme == "smtp+starttls",
            tls_context=self._tls,
            local_hostname=self._sender.domain,
            timeout=SEND_S_MAX,
        )

    def _message(self, mail: Mail, now_ms: int) -> EmailMessage:
        if not mail.to or not all(is_address(address) for address in mail.to):
            raise ValueError("a mail goes to one or more mail addresses")
        message = EmailMessage(SMTP)
        message["From"] = self._sender
        message["To"] = [Address(addr_spec=address) for address in mail.to]
        message["Subject"] = _line(mail.subject)[:SUBJECT_CHARS_MAX]
        message["Date"] = format_datetime(datetime.fromtimestamp(now_ms / 1_000, UTC))
        message["Auto-Submitted"] = "auto-generated"
        if mail.message_id:
            unique = _UNNAMED.sub("-", mail.message_id)
            message["Message-ID"] = f"<{unique}@{self._sender.domain}>"
        message.set_content(_storable(mail.text))
        if mail.html:
            message.add_alternative(_storable(mail.html), subtype="html")
        for file in mail.attachments:
            main, _, sub = file.type.partition("/")
            message.add_attachment(file.data, maintype=main, subtype=sub, filename=_line(file.name))
        return message


def _line(text: str) -> str:
    """One line of printable text: what a header may hold."""
    return _UNSAFE.sub(" ", text).strip()


def _storable(text: str) -> str:
    return text.encode(errors="replace").decode()


def _shown(error: Exception) -> str:
    return f"{type(error).__name__}: {_line(str(error))}"[:ERROR_CHARS_MAX]
