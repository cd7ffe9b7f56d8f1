"""Mail as a real SMTP server takes it, refuses it, or does not answer."""

from __future__ import annotations

import asyncio
import io
import shutil
import socket
import ssl
import subprocess
from pathlib import Path

import pytest
from dict_outbox import DictOutbox
from endings import AT_MS, TASK_ID, S, ended, owe, send
from free_port import free_port
from hypothesis import given
from hypothesis import strategies as st
from mail_server import Mailbox, mail_server
from pypdf import PdfReader

from procession.settings import SettingInvalid, Settings
from procession.sinks.carrier import SinkCarrier, make_carrier, make_mailer
from procession.sinks.definitions import EmailSink
from procession.sinks.smtp import Mail, Mailer, MailServer, parse_mail_server, parse_sender
from procession.webhooks.delivery import Answer, DeliveryState

SENDER = parse_sender("Forms <forms@example.com>")
TO = "ann@example.com"


def mailer(port: int) -> Mailer:
    return Mailer(MailServer("smtp", "127.0.0.1", port), SENDER)


def deliver(box: Mailbox, sink: EmailSink, **changed: object) -> DictOutbox:
    outbox = DictOutbox()
    with mail_server(box) as port:
        event = changed.pop("event", "completed")
        owe(outbox, sink, ended(event, **changed))  # type: ignore[arg-type]
        send(outbox, SinkCarrier(None, mailer(port)), AT_MS)
    return outbox


def test_a_completed_task_comes_with_its_answers_and_a_pdf() -> None:
    box = Mailbox()
    outbox = deliver(box, EmailSink((TO, "bob@example.com")))
    assert outbox.rows[1].state == DeliveryState.DELIVERED
    assert outbox.outcomes[0].answer.status == 250
    assert (box.mails[0].mail_from, box.mails[0].rcpt_tos) == (
        "forms@example.com",
        [TO, "bob@example.com"],
    )
    message = box.message()
    assert message["Subject"] == "Completed: Check the delivery"
    assert message["From"] == "Forms <forms@example.com>"
    assert message["Auto-Submitted"] == "auto-generated"
    assert TASK_ID in message["Message-ID"] and message["Message-ID"].endswith("@example.com>")
    text, html = (message.get_body((kind,)).get_content() for kind in ("plain", "html"))  # type: ignore[union-attr]
    for word in ("Is it whole?: yes", "Note: box 7 was open", "State: good", "order-77"):
        assert word in text
    assert "box 7 was open" in html and "2026-03-22T08:30:00Z" in html
    (file,) = message.iter_attachments()
    assert (file.get_filename(), file.get_content_type()) == ("form.pdf", "application/pdf")
    shown = "".join(page.extract_text() for page in PdfReader(io.BytesIO(file.get_content())).pages)
    assert "box 7 was open" in shown and "The boxes" in shown


def test_answers_that_cannot_be_drawn_still_come_as_text(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: object) -> bytes:
        raise RuntimeError("cannot be drawn")

    monkeypatch.setattr("procession.sinks.pdf.form_pdf", broken)
    box = Mailbox()
    outbox = deliver(box, EmailSink(TO))
    assert outbox.rows[1].state == DeliveryState.DELIVERED
    assert list(box.message().iter_attachments()) == []


def test_another_end_comes_with_its_reason_and_without_a_pdf() -> None:
    box = Mailbox()
    deliver(box, EmailSink(TO), event="cancelled")
    message = box.message()
    assert message["Subject"] == "Cancelled: Check the delivery"
    assert "Reason: no longer needed" in message.get_body(("plain",)).get_content()  # type: ignore[union-attr]
    assert list(message.iter_attachments()) == []


def test_nothing_of_a_task_becomes_a_header_or_markup() -> None:
    box = Mailbox()
    title = "Hi\r\nBcc: eve@example.com\r\n\r\n<script>alert(1)</script>\u2028\ud800"
    deliver(box, EmailSink(TO), title=title, data={"note": "<img src=x onerror=y>\r\n.\r\nQUIT"})
    message = box.message()
    assert message["Bcc"] is None and box.mails[0].rcpt_tos == [TO]
    assert message["Subject"].startswith("Completed: Hi Bcc: eve@example.com <script>")
    html = message.get_body(("html",)).get_content()  # type: ignore[union-attr]
    assert "<script" not in html and "<img" not in html and "&lt;img src=x" in html


@given(st.text(max_size=60), st.text(max_size=60))
def test_every_subject_stays_on_its_line(subject: str, name: str) -> None:
    made = mailer(1)._message(Mail(to=(TO,), subject=subject, text=name, message_id=name), AT_MS)
    head, _, _ = made.as_bytes().partition(b"\r\n\r\n")
    names = [line.split(b":")[0] for line in head.split(b"\r\n") if line[:1] not in b" \t"]
    assert set(names) <= {
        b"From",
        b"To",
        b"Subject",
        b"Date",
        b"Auto-Submitted",
        b"Message-ID",
        b"Content-Type",
        b"Content-Transfer-Encoding",
        b"MIME-Version",
    }


@pytest.mark.parametrize("to", [(), ("a@b\r\nBcc: c@d",), ("nobody",), ("A <a@b>",)])
def test_only_plain_addresses_are_written_to(to: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="mail addresses"):
        asyncio.run(mailer(1).send(Mail(to=to, subject="s", text="t"), AT_MS))


def test_an_address_that_is_refused_for_good_is_given_up() -> None:
    box = Mailbox(rcpt={TO: "550 no such mailbox"})
    outbox = deliver(box, EmailSink(TO))
    assert outbox.rows[1].state == DeliveryState.FAILED
    answer = outbox.outcomes[0].answer
    assert answer.status == 550 and "no such mailbox" in (answer.error or "")


def test_a_refusal_for_now_is_tried_again() -> None:
    for box in (Mailbox(rcpt={TO: "451 later"}), Mailbox(data="452 full")):
        outbox = deliver(box, EmailSink(TO))
        assert outbox.rows[1].state == DeliveryState.PENDING
        assert AT_MS + 5 * S <= outbox.rows[1].next_ms < AT_MS + 8 * S
        assert outbox.outcomes[0].answer.status in (451, 452)


def test_one_refused_address_does_not_keep_the_others_from_their_mail() -> None:
    box = Mailbox(rcpt={TO: "550 no such mailbox"})
    outbox = deliver(box, EmailSink((TO, "bob@example.com")))
    assert outbox.rows[1].state == DeliveryState.DELIVERED
    assert TO in (outbox.outcomes[0].answer.error or "")
    assert box.mails[0].rcpt_tos == ["bob@example.com"]


def test_a_server_that_is_away_costs_tries_and_no_mail() -> None:
    outbox, box = DictOutbox(), Mailbox()
    row = owe(outbox, EmailSink(TO), ended("failed"))
    port = free_port()
    send(outbox, SinkCarrier(None, mailer(port)), AT_MS)
    assert (row.state, outbox.outcomes[0].answer.status) == (DeliveryState.PENDING, None)
    with mail_server(box, port=port):
        send(outbox, SinkCarrier(None, mailer(port)), row.next_ms)
    assert row.state == DeliveryState.DELIVERED
    assert [outcome.attempt for outcome in outbox.outcomes] == [1, 2] and len(box.mails) == 1


def test_a_server_that_says_nothing_is_left_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("procession.sinks.smtp.SEND_S_MAX", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        answer = _sent(mailer(silent.getsockname()[1]))
    assert answer.status is None and answer.duration_ms < 5_000


def test_a_password_goes_only_over_tls_with_a_known_certificate(tmp_path: Path) -> None:
    served, known = _certificate(tmp_path)
    box = Mailbox()
    with mail_server(box, served) as port:
        server = parse_mail_server(f"smtp+starttls://ann:pass%20word@127.0.0.1:{port}")
        assert _sent(Mailer(server, SENDER, known)).status == 250
        assert (box.users, box.secure) == (["ann"], [True])
        unknown = _sent(Mailer(server, SENDER))
        assert unknown.status is None and box.users == ["ann"]
        wrong = _sent(Mailer(server._replace(password="other"), SENDER, known))
        assert (wrong.status, wrong.is_final) == (535, False)
    assert len(box.mails) == 1


def _sent(by: Mailer) -> Answer:
    async def run() -> Answer:
        answer = await by.send(Mail(to=(TO,), subject="s", text="t"), AT_MS)
        # A server's loop goes on after a send; here what was closed needs a moment to end.
        await asyncio.sleep(0.05)
        return answer

    return asyncio.run(run())


def _certificate(folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """What a server shows, and what trusts it."""
    assert shutil.which("openssl"), "openssl makes the certificate of this test"
    words = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=mail"
    files = ["-keyout", str(folder / "key"), "-out", str(folder / "cert")]
    names = ["-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run(
        ["openssl", *words.split(), *files, *names], check=True, capture_output=True, timeout=30
    )
    served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    served.load_cert_chain(folder / "cert", folder / "key")
    return served, ssl.create_default_context(cafile=str(folder / "cert"))


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("smtp://mail", MailServer("smtp", "mail", 25)),
        ("smtps://a%40b:p%3A@mail", MailServer("smtps", "mail", 465, "a@b", "p:")),
        ("smtp+starttls://a:b@mail:2525", MailServer("smtp+starttls", "mail", 2525, "a", "b")),
    ],
)
def test_a_mail_server_is_read(url: str, expected: MailServer) -> None:
    assert parse_mail_server(url) == expected


@pytest.mark.parametrize("url", ["mail", "http://mail", "smtp://", "smtp://a:b@mail", "smtp://m/x"])
def test_a_mail_server_that_cannot_be_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"mail server|password"):
        parse_mail_server(url)


def test_what_can_be_reached_is_what_the_settings_name() -> None:
    assert make_carrier(Settings()).kinds == {"webhook"}
    for half in (Settings(smtp_url="smtp://mail"), Settings(mail_from="a@example.com")):
        with pytest.raises(SettingInvalid, match="smtp_url, mail_from"):
            make_mailer(half)
    full = Settings(nats_url="nats://a:4222", smtp_url="smtp://mail", mail_from="a@example.com")
    assert make_carrier(full).kinds == {"webhook", "nats", "email"}
