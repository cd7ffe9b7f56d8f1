"""Pages as the tests look at them."""

from __future__ import annotations

from typing import Any

import msgspec
from filled import EVERY_KIND, good_answers
from watched_site import NONCE, PATH

from procession.forms.blocks import Definition
from procession.forms.definition import parse_definition
from procession.forms.page import render_code, render_form, render_message, render_process
from procession.forms.views import CodeView, FormView, MessageView, ProcessView, StepView

WHOLE = parse_definition(msgspec.json.encode(EVERY_KIND))
FAULTS = (
    ("spy", "is not a field of this form"),
    ("signed", "is required"),
    ("km", "9999 must be at most 5000"),
    ("agree", "must be ticked"),
    ("photos", "has 3 files and must have at most 2"),
)


def form_page(definition: Definition = WHOLE, **more: Any) -> str:
    return render_form(
        FormView(definition=definition, action=PATH, csp_nonce=NONCE, nonce="n1", **more)
    )


def without_signature() -> Definition:
    first, second = EVERY_KIND["steps"]
    step = {**second, "blocks": second["blocks"][:-1]}
    return parse_definition(msgspec.json.encode({**EVERY_KIND, "steps": [first, step]}))


def message_page(kind: Any = "done") -> str:
    return render_message(kind, MessageView(csp_nonce=NONCE, about="Return of a bicycle"))


def code_page(fault: str = "") -> str:
    return render_code(
        CodeView(
            action=PATH,
            resend_action=f"{PATH}/code",
            csp_nonce=NONCE,
            nonce="n1",
            sent_to="a•••@example.com",
            fault=fault,
            tries_left=4,
        )
    )


def process_page(text: str = "Order 1017") -> str:
    steps = [
        StepView(label=text, status="completed", human=True, duration_ms=3_400, detail=text),
        StepView(label="Pack", status="running", progress_percent=66.6, progress_message=text),
        StepView(label="Print", status="failed", error=text),
        StepView(label="Send", status="cancelled"),
        StepView(label="Thank", status="pending", human=True),
    ]
    return render_process(
        ProcessView(
            name=text,
            status="running",
            timeline=steps,
            address=PATH,
            seen_at="2030-01-31T12:00:00Z",
            started_at="2030-01-31T11:00:00Z",
            csp_nonce=NONCE,
            description=text,
            error=text,
            summary=text,
        )
    )


def faulty_page() -> str:
    return form_page(data={**good_answers(), "km": 9999}, faults=FAULTS)
