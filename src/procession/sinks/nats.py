"""Messages to NATS, each acknowledged by JetStream before it counts as delivered."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from msgspec.json import encode
from nats.aio.client import Client
from nats.errors import Error, MaxPayloadError
from nats.js.errors import APIError, NoStreamResponseError

from procession.webhooks.delivery import Answer
from procession.webhooks.post import ERROR_CHARS_MAX

CONNECT_S_MAX = 3
ACK_S_MAX = 5
NO_STREAM = 503
TOO_LARGE = 413
UNREADABLE = 502
_STATUS_MIN, _STATUS_MAX = 300, 599


class _Came(NamedTuple):
    """What a try brought."""

    status: int | None
    error: str | None = None
    head: bytes = b""
    is_final: bool = False


class NatsPublisher:
    """Publishes to one server, or a cluster (addresses with commas); connects when it has to.

    A lost connection is given up, and the next try makes a new one: what is sent again, and when,
    is decided by the outbox alone.
    """

    def __init__(self, url: str) -> None:
        self._servers = [part.strip() for part in url.split(",")]
        self._client: Client | None = None
        self._connecting = asyncio.Lock()

    async def publish(self, subject: str, body: bytes, message_id: str) -> Answer:
        """One try; never raises for what the server or the network does.

        The stream drops a repeat of `message_id` within its window. Status 200 is JetStream's
        acknowledgement, 503 that no stream takes the subject, None that nobody answered.
        """
        time = asyncio.get_running_loop().time
        began_s = time()
        came = await self._tried(subject, body, message_id)
        took_ms = round((time() - began_s) * 1_000)
        return Answer(came.status, came.error, took_ms, came.head, is_final=came.is_final)

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None and not client.is_closed:
            await client.close()

    async def _tried(self, subject: str, body: bytes, message_id: str) -> _Came:
        try:
            async with asyncio.timeout(CONNECT_S_MAX + ACK_S_MAX):
                client = await self._connected()
                return await _acknowledged(client, subject, body, message_id)
        except NoStreamResponseError:
            return _Came(NO_STREAM, "no stream takes this subject")
        except APIError as error:
            return _Came(_status_of(error), f"{error.code}: {error.description}"[:ERROR_CHARS_MAX])
        except MaxPayloadError:
            return _Came(TOO_LARGE, "the message is larger than the server takes", is_final=True)
        except (TimeoutError, Error, OSError) as error:
            await self.close()
            return _Came(None, f"{type(error).__name__}: {error}"[:ERROR_CHARS_MAX])
        except (ValueError, TypeError, KeyError):
            return _Came(UNREADABLE, "what answered is not JetStream")

    async def _connected(self) -> Client:
        async with self._connecting:
            if self._client is None or self._client.is_closed:
                self._client = await _connect(self._servers)
            return self._client


async def _connect(servers: list[str]) -> Client:
    """A connection that ends when it is lost. Closed here when it fails: the library leaves it."""
    client = Client()
    try:
        await client.connect(
            servers=servers,
            name="procession",
            allow_reconnect=False,
            max_reconnect_attempts=1,
            reconnect_time_wait=0,
            connect_timeout=CONNECT_S_MAX,
            error_cb=_already_answered,
        )
    except BaseException:
        await client.close()
        raise
    return client


async def _acknowledged(client: Client, subject: str, body: bytes, message_id: str) -> _Came:
    stream = client.jetstream(timeout=ACK_S_MAX)
    ack = await stream.publish(subject, body, headers={"Nats-Msg-Id": message_id})
    said = {"stream": ack.stream, "seq": ack.seq, "duplicate": bool(ack.duplicate)}
    return _Came(200, head=encode(said))


async def _already_answered(error: Exception) -> None:
    """The try that meets an error tells of it; the client would log it besides."""


def _status_of(error: APIError) -> int:
    code = error.code or UNREADABLE
    return code if _STATUS_MIN <= code <= _STATUS_MAX else UNREADABLE
