"""Brings sinks what they are owed, through the one outbox and its sender."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from procession.settings import SettingInvalid, Settings
from procession.sinks.body import TaskEnded, body_of, webhook_headers
from procession.sinks.definitions import EmailSink, NatsSink, Sink, WebhookSink
from procession.webhooks.carrier import HttpPost
from procession.webhooks.delivery import Answer, Delivery, Schedule, parse_schedule
from procession.webhooks.guard import read_url

if TYPE_CHECKING:
    from procession.sinks.nats import NatsPublisher
    from procession.sinks.smtp import Mailer

WEBHOOK_SCHEDULE = parse_schedule("0s 5s 30s")
PATIENT_SCHEDULE = parse_schedule("0s 5s 30s 5m 30m 2h")
"""NATS and mail are servers of our own: they come back, and nobody else repeats for us."""
NATS_ORIGIN, MAIL_ORIGIN = "nats:", "mailto:"

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class SinkDelivery(Delivery):
    """What one sink of a task is owed; `place` is the sink's among the task's."""

    sink: Sink
    ended: TaskEnded
    place: int

    @property
    def webhook_id(self) -> str:
        return f"{self.ended.task_id}_{self.ended.event}_{self.place}"


def origin_of(sink: Sink) -> str:
    """The queue a delivery waits in: one is under way per host, NATS and mail server. Raises
    UrlRefused."""
    match sink:
        case WebhookSink():
            return read_url(sink.url).origin
        case NatsSink():
            return NATS_ORIGIN
        case EmailSink():
            return MAIL_ORIGIN


def address_of(sink: Sink) -> str:
    """Where it goes, for lists and logs: a URL, `nats:subject`, `mailto:address`."""
    match sink:
        case WebhookSink():
            return sink.url
        case NatsSink():
            return f"nats:{sink.subject}"
        case EmailSink():
            return f"mailto:{','.join(sink.addresses)}"


class SinkCarrier:
    """A Carrier of SinkDelivery."""

    def __init__(self, nats: NatsPublisher | None, mailer: Mailer | None) -> None:
        self._nats = nats
        self._mailer = mailer

    @property
    def kinds(self) -> frozenset[str]:
        """The types of sinks that can be reached."""
        reached = {"webhook": True, "nats": self._nats, "email": self._mailer}
        return frozenset(kind for kind, way in reached.items() if way)

    def schedule_of(self, delivery: Delivery) -> Schedule:
        is_webhook = isinstance(delivery, SinkDelivery) and isinstance(delivery.sink, WebhookSink)
        return WEBHOOK_SCHEDULE if is_webhook else PATIENT_SCHEDULE

    async def carry(self, delivery: Delivery, now_ms: int, post: HttpPost) -> Answer:
        assert isinstance(delivery, SinkDelivery), "the sender asks by class"
        match delivery.sink:
            case WebhookSink():
                return await _post(delivery, delivery.sink, now_ms, post)
            case NatsSink():
                return await self._publish(delivery, delivery.sink)
            case EmailSink():
                return await self._mail(delivery, delivery.sink, now_ms)

    async def close(self) -> None:
        if self._nats is not None:
            await self._nats.close()

    async def _publish(self, delivery: SinkDelivery, sink: NatsSink) -> Answer:
        if self._nats is None:
            return Answer(None, "this server has no nats_url", 0)
        message_id = f"{delivery.ended.task_id}-{delivery.delivery_id}"
        return await self._nats.publish(sink.subject, body_of(delivery.ended), message_id)

    async def _mail(self, delivery: SinkDelivery, sink: EmailSink, now_ms: int) -> Answer:
        if self._mailer is None:
            return Answer(None, "this server has no smtp_url and mail_from", 0)
        ended, pdf = delivery.ended, None
        if ended.event == "completed":
            pdf = await _pdf_of(ended)
        from procession.sinks.mails import ended_mail

        mail = ended_mail(ended, sink, f"{delivery.webhook_id}_{delivery.delivery_id}", pdf)
        return await self._mailer.send(mail, now_ms)


def make_carrier(settings: Settings) -> SinkCarrier:
    """By the settings nats_url, smtp_url and mail_from. Raises SettingInvalid."""
    nats = None
    if settings.nats_url:
        # Loaded only where it is used, as the mailer is: every start of a server would pay for it.
        from procession.sinks.nats import NatsPublisher

        nats = NatsPublisher(settings.nats_url)
    return SinkCarrier(nats, make_mailer(settings))


def make_mailer(settings: Settings) -> Mailer | None:
    """By the settings smtp_url and mail_from, None without both. Raises SettingInvalid."""
    if not settings.smtp_url and not settings.mail_from:
        return None
    from procession.sinks.smtp import Mailer, parse_mail_server, parse_sender

    try:
        return Mailer(parse_mail_server(settings.smtp_url), parse_sender(settings.mail_from))
    except ValueError as error:
        raise SettingInvalid(f"settings: smtp_url, mail_from: {error}") from None


async def _pdf_of(ended: TaskEnded) -> bytes | None:
    """None where it cannot be drawn: the answers stand in the mail itself."""
    # Loaded with the first one: it takes a server as long to start as all the rest.
    from procession.sinks.pdf import form_pdf

    try:
        return await asyncio.to_thread(form_pdf, ended)
    except Exception:
        _log.exception("pdf_not_made", task_id=ended.task_id)
        return None


async def _post(delivery: SinkDelivery, sink: WebhookSink, now_ms: int, post: HttpPost) -> Answer:
    assert sink.secret is not None, "a secret is made before a sink is kept"
    body = body_of(delivery.ended)
    headers = webhook_headers(
        sink.secret, delivery.ended, delivery.webhook_id, now_ms // 1_000, body
    )
    return await post(sink.url, headers, body, now_ms)
