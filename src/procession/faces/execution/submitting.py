"""Routes that create processes: capability requests and maintenance."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from hashlib import blake2b

from msgspec import Raw
from msgspec.json import Encoder

from procession import operations
from procession.core.errors import Invalid
from procession.engine import Engine
from procession.faces.endpoint import Answer, Endpoint, Request
from procession.faces.execution.answers import Accepted
from procession.faces.execution.declared import write
from procession.faces.execution.messages import Callback, Enqueue, Maintenance, TargetGiven
from procession.faces.execution.words import STATUS
from procession.faces.stamps import etag
from procession.faces.strict import BodyInvalid, FieldError
from procession.operations import SubmitRequest
from procession.store.turn import Submitted
from procession.targets import Target
from procession.webhooks.guard import Target as CallbackTarget

URLS_KNOWN_MAX = 1_024
FINGERPRINT_BYTES = 16

CheckUrl = Callable[[str, str], CallbackTarget]
"""URL and pointer to what a well-formed URL names. Raises Invalid."""

_encode = Encoder().encode


class Submitting:
    """Accepts work."""

    def __init__(self, engine: Engine, check_url: CheckUrl) -> None:
        self._engine = engine
        self._check_url = lru_cache(maxsize=URLS_KNOWN_MAX)(check_url)

    def endpoints(self) -> list[Endpoint]:
        enqueue, maintain = "/capability-requests/enqueue", "/maintenance/requests"
        more = {"success": (202, 200)}
        return [
            write(
                enqueue,
                self.enqueue,
                "Ask for a capability on a phone",
                Accepted,
                404,
                409,
                body=Enqueue,
                **more,
            ),
            write(
                maintain,
                self.maintain,
                "Ask for upkeep of an account",
                Accepted,
                404,
                409,
                body=Maintenance,
                **more,
            ),
        ]

    async def enqueue(self, request: Request) -> Answer:
        message: Enqueue = request.message
        errors = [*_target_errors(message.target), *_object_errors(message)]
        origin = self._origin(message.callback, errors)
        return await self._submit(
            request,
            message,
            capability=message.capability,
            mode=message.mode,
            given=message.target,
            origin=origin,
        )

    async def maintain(self, request: Request) -> Answer:
        message: Maintenance = request.message
        return await self._submit(
            request,
            message,
            capability="maintenance",
            mode="manual",
            given=TargetGiven("queue", account_id=message.account_id),
            origin=self._origin(message.callback, [*_object_errors(message)]),
        )

    async def _submit(
        self,
        request: Request,
        message: Enqueue | Maintenance,
        *,
        capability: str,
        mode: str,
        given: TargetGiven,
        origin: str,
    ) -> Answer:
        fingerprint = fingerprint_of(request.canonical)
        wanted = SubmitRequest(
            capability=capability,
            mode=mode,
            target=_target_of(given),
            request_id=message.request_id,
            system=message.requested_by.system,
            inputs=message.inputs,
            requested_by=Raw(_encode(message.requested_by)),
            target_given=Raw(_encode(given)),
            callback_url=message.callback.url,
            callback_origin=origin,
            callback_metadata=message.callback.metadata,
            fingerprint=fingerprint,
        )
        return _accepted(await operations.submit(self._engine, request.caller, wanted), fingerprint)

    def _origin(self, callback: Callback, errors: list[FieldError]) -> str:
        """The callback's origin. Raises BodyInvalid: `errors`, and what is wrong with the URL."""
        origin = ""
        try:
            origin = self._check_url(callback.url, "/callback/url").origin
        except Invalid as refused:
            errors.append(FieldError(refused.pointer, refused.message))
        if errors:
            raise BodyInvalid(errors)
        return origin


def fingerprint_of(canonical: bytes) -> str:
    """Equal for bodies that say the same."""
    return blake2b(canonical, digest_size=FINGERPRINT_BYTES).hexdigest()


def object_errors(values: Mapping[str, Raw]) -> Iterator[FieldError]:
    """An error for each value, by its pointer, that is not a JSON object."""
    for pointer, value in values.items():
        if bytes(value)[:1] != b"{":
            name = pointer.rpartition("/")[2]
            yield FieldError(pointer, f"{name}: must be an object")


def _accepted(submitted: Submitted, fingerprint: str) -> Answer:
    process = submitted.process
    words = ("accepted", process.process_id, process.request_id, process.process_type)
    headers = ((b"location", b"/processes/" + process.process_id.encode()), etag(process))
    if not submitted.duplicate:
        return Answer(202, Accepted(*words), headers)
    matches = process.request.fingerprint == fingerprint
    body = Accepted(*words, True, STATUS[process.state], matches)
    return Answer(200, body, headers)


def _object_errors(message: Enqueue | Maintenance) -> Iterator[FieldError]:
    return object_errors(
        {
            "/inputs": message.inputs,
            "/callback/metadata": message.callback.metadata,
            "/requested_by/metadata": message.requested_by.metadata,
        }
    )


def _target_errors(target: TargetGiven) -> Iterator[FieldError]:
    if target.routing == "direct":
        for name in ("phone_id", "account_id"):
            if getattr(target, name) is None:
                rule = f"{name} is required when routing is direct"
                yield FieldError(f"/target/{name}", rule)
    elif target.routing == "group" and not (
        target.account_ids or target.phone_ids or target.account_group or target.phone_group
    ):
        rule = "routing group needs account_ids, phone_ids, account_group or phone_group"
        yield FieldError("/target", rule)


def _target_of(given: TargetGiven) -> Target:
    return Target(
        routing=given.routing,
        account_id=given.account_id,
        phone_id=given.phone_id,
        account_ids=tuple(given.account_ids or ()),
        phone_ids=tuple(given.phone_ids or ()),
        account_group=given.account_group,
        phone_group=given.phone_group,
    )
