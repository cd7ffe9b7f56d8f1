"""The mail that tells of a task's end."""

from __future__ import annotations

from html import escape

from procession.forms.blocks import AnyField, SignatureField
from procession.sinks.body import TaskEnded, stamp
from procession.sinks.definitions import EmailSink
from procession.sinks.smtp import Attachment, Mail

VALUE_CHARS_MAX = 2_000
NONE = "(none)"
_ENDED = {"completed": "Completed", "cancelled": "Cancelled", "failed": "Failed"}


def ended_mail(ended: TaskEnded, sink: EmailSink, message_id: str, pdf: bytes | None) -> Mail:
    """What happened, the answers or the reason, and the PDF where there is one."""
    lines = _lines(ended)
    files = () if pdf is None else (Attachment("form.pdf", "application/pdf", pdf),)
    return Mail(
        to=sink.addresses,
        subject=f"{_ENDED[ended.event]}: {ended.title}",
        text="".join(f"{label}: {value}\n" for label, value in lines),
        html=_html(f"{_ENDED[ended.event]}: {ended.title}", lines),
        message_id=message_id,
        attachments=files,
    )


def answers(ended: TaskEnded) -> list[tuple[str, str]]:
    """Labels and answers in the form's order; what the form does not name comes last."""
    data = dict(ended.data or {})
    fields = ended.form.fields if ended.form is not None else ()
    shown = [(field.label, shown_value(field, data.pop(field.name, None))) for field in fields]
    return [*shown, *((name, shown_value(None, value)) for name, value in data.items())]


def shown_value(field: AnyField | None, value: object) -> str:
    """An answer as text: an option by its label, files by their names."""
    if value is None or value == "":
        return NONE
    if isinstance(field, SignatureField):
        return "signed"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(shown_value(field, one) for one in value) or NONE
    if isinstance(value, dict):
        return str(value.get("name") or value.get("key") or value)
    for option in getattr(field, "options", ()):
        if option.value == value:
            return str(option.label)
    return str(value)


def _lines(ended: TaskEnded) -> list[tuple[str, str]]:
    lines = [("Task", ended.title), ("When", stamp(ended.at_ms)), ("Task id", ended.task_id)]
    if ended.correlation_key:
        lines.append(("Correlation key", ended.correlation_key))
    if ended.event == "completed":
        return [*lines, *((label, _cut(value)) for label, value in answers(ended))]
    return [*lines, ("Reason", _cut(ended.reason or NONE))]


def _cut(value: str) -> str:
    if len(value) <= VALUE_CHARS_MAX:
        return value
    return f"{value[:VALUE_CHARS_MAX]}… ({len(value) - VALUE_CHARS_MAX} more characters)"


def _html(title: str, lines: list[tuple[str, str]]) -> str:
    cell = '<td style="padding:4px 12px 4px 0;vertical-align:top{}">{}</td>'
    rows = "".join(
        f"<tr>{cell.format(';color:#555', escape(label))}"
        f"{cell.format(';white-space:pre-wrap', escape(value))}</tr>"
        for label, value in lines
    )
    return (
        '<!doctype html><html><body style="font-family:sans-serif">'
        f'<h1 style="font-size:18px">{escape(title)}</h1><table>{rows}</table></body></html>'
    )
