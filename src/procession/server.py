"""Wiring only: from settings to a server that runs until it is told to stop."""

from __future__ import annotations

import asyncio
import gc
import signal
import socket
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import cast

import uvloop

from procession import clock, loops, people, tokens
from procession.engine import Engine
from procession.faces.access import Access
from procession.faces.cors import Cors
from procession.faces.endpoint import Load
from procession.faces.execution import execution_face, execution_streams, update_of
from procession.faces.mcp import mcp_face
from procession.faces.router import App, AsgiApp
from procession.faces.steps import OrgStreams, pages_face, steps_face
from procession.faces.worker import worker_face
from procession.faces.workspace import WorkspaceStreams, workspace_face
from procession.files.opening import open_files
from procession.files.store import FilesOff
from procession.files.tidying import FilesTidying
from procession.httpd import BACKLOG, HttpServer, make_config
from procession.opening import is_shared, open_engine
from procession.outbox import SENT_AGAIN, StoredOutbox
from procession.presence import at_work, own_server
from procession.settings import SettingInvalid, Settings, parse_origins
from procession.sinks.carrier import SinkDelivery, make_carrier
from procession.store.migrate import Scripted
from procession.store.turn import Turn
from procession.uploads import UploadsRetention, uploads_of
from procession.webhooks.addresses import parse_networks
from procession.webhooks.assets import head_asset
from procession.webhooks.delivery import parse_schedule
from procession.webhooks.guard import AddressGuard, read_url
from procession.webhooks.sender import Sender
from procession.webhooks.signing import parse_secrets

REQUESTS_BUSY = 8
"""With more requests in work than this, callbacks give way."""


async def first_token(engine: Engine) -> str | None:
    """Make sure there is a token that can do everything; the new one, if one had to be made."""
    given = engine.settings.bootstrap_token
    now_ms = engine.now_ms()

    async def run(turn: Turn) -> str | None:
        # Of several servers that start together, one makes it.
        await cast(Scripted, turn.store.connection).lock_migrations()
        await people.first_workspace(turn)
        if not given and await tokens.list_tokens(turn):
            return None
        token = given or tokens.make_token()
        await tokens.create_token(
            turn,
            token=token,
            token_id=engine.new_id(now_ms),
            name="bootstrap",
            scopes=list(tokens.SCOPES),
        )
        return None if given else token

    return await engine.ledger.errand(run)


def make_guard(settings: Settings) -> AddressGuard:
    """The guard every outgoing call passes."""
    return AddressGuard(allow=parse_networks(settings.callback_allow))


def make_sender(
    engine: Engine, guard: AddressGuard, busy: Callable[[], bool] = lambda: False
) -> Sender:
    """`busy`: whether requests wait, so that callbacks give way. Raises SettingInvalid."""
    return Sender(
        StoredOutbox(engine, update_of),
        guard,
        chance=engine.chance,
        secrets=parse_secrets(engine.settings.callback_secrets),
        schedule=parse_schedule(engine.settings.callback_retries),
        busy=busy,
        carriers={SinkDelivery: make_carrier(engine.settings)},
    )


class AllStreams:
    """The open streams of every face; close them before the server stops."""

    def __init__(self, engine: Engine) -> None:
        self.execution = execution_streams(engine)
        self.workspace = WorkspaceStreams(engine)
        self.steps = OrgStreams(engine)

    @property
    def count(self) -> int:
        """How many streams are open."""
        return self.execution.count + self.workspace.count + self.steps.count

    def close_all(self) -> None:
        self.execution.close_all()
        self.workspace.close_all()
        self.steps.close_all()


def make_app(engine: Engine, guard: AddressGuard, streams: AllStreams) -> App:
    """Every face behind one ASGI application."""
    load = Load()
    known = tokens.Tokens(engine)
    access = Access(known.caller_of, engine.settings.rate_per_s_max, engine.now_ms)

    async def asset_check(url: str, field: str) -> None:
        await head_asset(guard, url, field)

    execution = execution_face(
        engine,
        access,
        check_url=read_url,
        asset_check=asset_check,
        streams=streams.execution,
        streams_open=lambda: streams.count,
        load=load,
    )
    workspace = workspace_face(engine, access, streams.workspace)
    steps = steps_face(engine, access, streams.steps)
    faces = [execution, worker_face(engine, access), workspace, steps]
    faces += [mcp_face(engine, access), pages_face(engine)]
    return App(faces, engine.settings, load=load)


def open_to_origins(app: AsgiApp, settings: Settings) -> AsgiApp:
    """The application, for front ends of other origins where a setting names some."""
    origins = parse_origins(settings.cors_origins)
    return Cors(app, "/api/", origins) if origins else app


@asynccontextmanager
async def in_background(engine: Engine, sender: Sender) -> AsyncGenerator[None, None]:
    """The loops and the sender, for as long as the context lasts."""
    engine.wakeup.listen([("deliveries",)], lambda _: sender.kick())
    engine.wakeup.listen([SENT_AGAIN], lambda _: sender.lift_rests())
    duties: list[loops.Loop] = [
        loops.ItemDeadlines(engine),
        loops.ProcessDeadlines(engine),
        loops.SilentPhones(engine),
        loops.Retention(engine),
        loops.OldSessions(engine),
        UploadsRetention(uploads_of(engine)),
    ]
    with suppress(FilesOff):
        duties.append(FilesTidying(open_files(engine.settings)))
    tasks = [asyncio.create_task(loops.run(duty, engine.now_ms)) for duty in duties]
    async with sender:
        tasks.append(asyncio.create_task(sender.run(engine.now_ms)))
        try:
            yield
        finally:
            await sender.close()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def prepare(settings: Settings) -> str | None:
    """What is done once for several workers: the schema, and the first token, if there was none.

    Raises what `open_engine` raises.
    """
    async with open_engine(settings) as engine:
        return await begin(engine)


async def begin(engine: Engine) -> str | None:
    """Before anything else: leases outlive a time without servers; then `first_token`."""
    await loops.renew_all_leases(engine, alone=not is_shared(engine.settings.database))
    return await first_token(engine)


async def serve(
    settings: Settings,
    ready: Callable[[str, str | None], None],
    sockets: Sequence[socket.socket] = (),
) -> None:
    """Serve until SIGTERM or SIGINT; `ready` is told the address and a token made just now.

    With `sockets` to listen on, whoever opened them has done `prepare` too.
    """
    present = own_server(clock.chance)
    async with open_engine(settings, present) as engine:
        token = None if sockets else await begin(engine)
        guard = make_guard(settings)
        streams = AllStreams(engine)
        app = make_app(engine, guard, streams)
        config = make_config(
            open_to_origins(app, settings),
            head_ms_max=settings.body_ms_max,
            drain_ms=settings.drain_ms,
            connections_max=settings.connections_max,
        )
        listening = list(sockets) or [listen(settings)]
        address = address_of(settings, listening[0])
        server = HttpServer(config, lambda: ready(address, token))

        def stop() -> None:
            engine.wakeup.close()
            streams.close_all()
            server.stop()

        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop)
        sender = make_sender(engine, guard, lambda: app.load.count > REQUESTS_BUSY)
        async with in_background(engine, sender), at_work(engine, present, stop):
            _spare_the_collector()
            await server.serve(sockets=listening)


def _spare_the_collector() -> None:
    """What is loaded now stays; what comes later is rarely part of a cycle."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 50, 100)


def listen(settings: Settings, port: int | None = None, *, shared: bool = False) -> socket.socket:
    """A socket to serve on; a `shared` one leaves room for others at its port.

    Raises SettingInvalid when the address cannot be had.
    """
    port = settings.port if port is None else port
    try:
        family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
        return socket.create_server(
            (settings.host, port), family=family, backlog=BACKLOG, reuse_port=shared
        )
    except OSError as error:
        raise SettingInvalid(f"cannot listen on {settings.host}:{port}: {error}") from None


def address_of(settings: Settings, listening: socket.socket) -> str:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"http://{host}:{listening.getsockname()[1]}"


def run(
    settings: Settings,
    ready: Callable[[str, str | None], None],
    sockets: Sequence[socket.socket] = (),
) -> None:
    """`serve` on uvloop."""
    uvloop.run(serve(settings, ready, sockets))
