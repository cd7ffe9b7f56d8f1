"""The door before a page: a one-time code, where its link needs one."""

from __future__ import annotations

from procession import codes
from procession.codes import Codes, CodesExhausted, CodeStanding, Outcome
from procession.engine import Engine
from procession.faces.endpoint import Answer, Headers, Request
from procession.faces.steps.addresses import Addresses
from procession.faces.steps.page_answers import message, page
from procession.faces.steps.passes import Passes, cookie_of, set_cookie
from procession.faces.steps.posted import CODE_BYTES_MAX, Fields, read_fields
from procession.forms.definition import NONCE_FIELD
from procession.forms.page import render_code
from procession.forms.views import CodeView
from procession.links import LinkRead, find_live_link
from procession.mailing import MailAway, Mailing, MailOff, code_text

PREFIX = "/t/"
TOO_LATE = "The page was open for too long. Please send it again."
_FAULTS: dict[Outcome, str] = {
    "wrong": "This is not the code we sent. Please look again.",
    "over": "This code is no longer valid. Please send yourself a new one.",
}


class Door:
    """Lets in whom a link is for. A page that needs no code has the holder ""."""

    def __init__(self, engine: Engine, addresses: Addresses) -> None:
        self._engine = engine
        self._addresses = addresses
        self._mailing = Mailing(engine)
        self._codes = Codes(engine)

    async def link(self, request: Request) -> LinkRead:
        """The one the path names. Raises NotFound, LinkGone."""
        return await find_live_link(self._engine, request.params["link_id"])

    async def holder(self, request: Request, link: LinkRead) -> str | None:
        """Whose page this is, None while a code is needed first."""
        if not link.needs_code:
            return ""
        passes = Passes(await self._codes.secret())
        return passes.holder(cookie_of(request), link.link_id, self._engine.now_ms())

    async def is_ours(self, link: LinkRead, fields: Fields, holder: str = "") -> bool:
        """Whether a page of ours posted this."""
        nonce = fields.get(NONCE_FIELD, [""])[-1]
        passes = Passes(await self._codes.secret())
        return passes.knows(nonce, link.link_id, holder, self._engine.now_ms())

    async def nonce(self, link: LinkRead, holder: str = "") -> str:
        passes = Passes(await self._codes.secret())
        return passes.nonce(link.link_id, holder, self._engine.now_ms())

    async def ask(self, request: Request, link: LinkRead) -> Answer:
        """The page for a code; the first one is sent without being asked for."""
        if not self._mailing.works or link.email is None:
            detail = "It needs a code by e-mail, and this server sends none: tell your contact."
            return message("trouble", detail=detail, status=501)
        now_ms = self._engine.now_ms()
        standing = await self._codes.standing(link.link_id)
        if standing.closed:
            return _closed()
        lately = any(now_ms - codes.VALID_MS < at_ms for at_ms in standing.sent_ms)
        if request.method == "GET" and not lately:
            return await self._send(request, link)
        return await self._code_page(link)

    async def try_code(self, request: Request) -> Answer:
        link = await self.link(request)
        fields = await read_fields(request, CODE_BYTES_MAX)
        if not link.needs_code:
            return _onward(link)
        typed = "".join(sign for sign in fields.get("code", [""])[-1] if sign.isalnum())
        if not await self.is_ours(link, fields):
            return await self._code_page(link, TOO_LATE, status=400)
        if not (typed.isascii() and typed.isdigit() and len(typed) == codes.DIGITS):
            fault_text = f"A code has {codes.DIGITS} digits."
            return await self._code_page(link, fault_text, status=400)
        outcome = await self._codes.attempt(link.link_id, typed)
        if outcome == "right":
            passes = Passes(await self._codes.secret())
            text = passes.issue(link.link_id, self._engine.now_ms())
            return _onward(link, set_cookie(text, link.link_id, secure=self._addresses.secure))
        if outcome == "closed":
            return _closed()
        return await self._code_page(link, _FAULTS[outcome], status=400)

    async def send_code(self, request: Request) -> Answer:
        link = await self.link(request)
        fields = await read_fields(request, CODE_BYTES_MAX)
        if not link.needs_code:
            return _onward(link)
        if not await self.is_ours(link, fields):
            return await self._code_page(link, TOO_LATE, status=400)
        return await self._send(request, link)

    async def _send(self, request: Request, link: LinkRead) -> Answer:
        """Raises MailOff."""
        if link.email is None or not self._mailing.works:
            raise MailOff
        try:
            code = await self._codes.issue(link.link_id)
            with request.parked():
                text = code_text(code, codes.VALID_MS // 60_000)
                await self._mailing.send(link.email, "Your one-time code", text)
        except CodesExhausted:
            fault = "Too many codes were sent. Please wait an hour, or ask for a new link."
            return await self._code_page(link, fault, status=429)
        except MailAway:
            fault = "The mail could not be sent. Please try again in a moment."
            return await self._code_page(link, fault, status=503)
        return await self._code_page(link)

    async def _code_page(self, link: LinkRead, fault: str = "", status: int = 200) -> Answer:
        standing = await self._codes.standing(link.link_id)
        if standing.closed:
            return _closed()
        nonce = await self.nonce(link)
        path = PREFIX + link.link_id
        left = _tries_left(standing, self._engine.now_ms())
        return page(
            lambda csp_nonce: render_code(
                CodeView(
                    action=f"{path}/code",
                    resend_action=f"{path}/code/new",
                    csp_nonce=csp_nonce,
                    nonce=nonce,
                    sent_to=masked(link.email or "") if left is not None else "",
                    fault=fault,
                    tries_left=left,
                    valid_minutes=codes.VALID_MS // 60_000,
                )
            ),
            status,
        )


def masked(email: str) -> str:
    """An address as it may be shown to whoever holds the link."""
    name, _, host = email.partition("@")
    return f"{name[:1]}•••@{host}"


def _onward(link: LinkRead, headers: Headers = ()) -> Answer:
    location = (b"location", f"{PREFIX}{link.link_id}".encode())
    return Answer(303, b"", (location, (b"cache-control", b"no-store"), *headers), b"text/html")


def _closed() -> Answer:
    detail = "This link takes no more codes. Ask the person who sent it to you for a new one."
    return message("rate_limited", detail=detail)


def _tries_left(standing: CodeStanding, now_ms: int) -> int | None:
    return standing.tries_left if standing.is_open(now_ms) else None
