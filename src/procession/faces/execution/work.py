"""Routes to what a process is made of: its items, what they printed, the callbacks it owes."""

from __future__ import annotations

from msgspec.json import decode

from procession import operations, outbox
from procession.core.errors import NotFound
from procession.engine import Engine
from procession.faces.endpoint import Answer, Endpoint, Request
from procession.faces.execution.answers import (
    Deliveries,
    DeliveryView,
    Items,
    Outputs,
    OutputView,
    Record,
    Resent,
)
from procession.faces.execution.declared import read, write
from procession.faces.execution.messages import Decision, ItemsQuery
from procession.faces.execution.views import item_view, shown
from procession.faces.stamps import stamp, stamp_or_none
from procession.outbox import DeliveryRead

DELIVERY_DIGITS_MAX = 18


class Work:
    """Items, outputs and deliveries."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def items(self, request: Request) -> Answer:
        query: ItemsQuery = request.query
        found = await operations.items(
            self._engine, request.caller, request.params["process_id"], query.after, query.limit
        )
        after = found[-1].item_id if len(found) == query.limit else None
        return Answer(body=Items([item_view(item) for item in found], after))

    async def outputs(self, request: Request) -> Answer:
        params = request.params
        found = await operations.outputs(
            self._engine, request.caller, params["process_id"], params["item_id"]
        )
        return Answer(body=Outputs([OutputView(*one) for one in found]))

    async def answer(self, request: Request) -> Answer:
        params = request.params
        message: Decision = request.message
        process = await operations.answer(
            self._engine, request.caller, params["process_id"], params["item_id"], message.decision
        )
        return await shown(self._engine, process)

    async def deliveries(self, request: Request) -> Answer:
        found = await outbox.list_deliveries(
            self._engine, request.caller, request.params["process_id"]
        )
        return Answer(body=Deliveries([_delivery_view(one) for one in found]))

    async def resend(self, request: Request) -> Answer:
        process_id, text = request.params["process_id"], request.params["delivery_id"]
        if not (text.isascii() and text.isdigit() and len(text) <= DELIVERY_DIGITS_MAX):
            raise NotFound
        await outbox.resend(self._engine, request.caller, process_id, int(text))
        return Answer(202, Resent("due", process_id, int(text)))

    def endpoints(self) -> list[Endpoint]:
        one = "/processes/{process_id}"
        item, delivery = f"{one}/items/{{item_id}}", f"{one}/deliveries/{{delivery_id}}"
        return [
            read(
                f"{one}/items", self.items, "The items of a process", Items, 404, query=ItemsQuery
            ),
            read(f"{item}/output", self.outputs, "What the runs of an item printed", Outputs, 404),
            write(
                f"{item}/answer",
                self.answer,
                "Decide about an interrupted run",
                Record,
                404,
                409,
                body=Decision,
            ),
            read(
                f"{one}/deliveries", self.deliveries, "The callbacks of a process", Deliveries, 404
            ),
            write(
                f"{delivery}/resend",
                self.resend,
                "Send a callback again",
                Resent,
                404,
                success=(202,),
            ),
        ]


def _delivery_view(one: DeliveryRead) -> DeliveryView:
    tries = [
        {**each, "at": stamp(each["at_ms"])} if "at_ms" in each else each
        for each in decode(one.tries)
    ]
    for each in tries:
        each.pop("at_ms", None)
    return DeliveryView(
        delivery_id=one.delivery_id,
        version=one.seq,
        milestone=one.milestone,
        status=one.state,
        attempt=one.attempt,
        emitted_at=stamp(one.emitted_ms),
        next_attempt_at=stamp_or_none(one.due_ms),
        tries=tries,
        origin=one.origin,
    )
