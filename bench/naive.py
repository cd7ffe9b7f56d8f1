"""The usual way: FastAPI, pydantic, SQLAlchemy 2 async, aiosqlite; a transaction a request.

As its manuals show it, in its lean form: typed models in and out, SQLAlchemy's Core and not its
slower ORM, a pooled connection a request, the unique key guarded by the database, process, item
and event rows inserted, commit, answer. SQLite as durable as the product's: WAL,
synchronous=FULL, `BEGIN IMMEDIATE` for writers so that none fails for a stale snapshot. It writes
no callbacks, checks no tokens and does not look up why something waits: all to its advantage.
`BENCH_DATABASE` names the file.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import Depends, FastAPI, HTTPException, Response
from pydantic import BaseModel, Field
from sqlalchemy import (
    JSON,
    Column,
    Connection,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    UniqueConstraint,
    event,
    select,
)
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

BUSY_S_MAX = 30

engine = create_async_engine(
    f"sqlite+aiosqlite:///{os.environ['BENCH_DATABASE']}",
    connect_args={"timeout": BUSY_S_MAX},
    pool_timeout=BUSY_S_MAX,
)


@event.listens_for(engine.sync_engine, "connect")
def _durable(connection: Any, _: object) -> None:
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.close()


@event.listens_for(engine.sync_engine, "begin")
def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


metadata = MetaData()
processes = Table(
    "process",
    metadata,
    Column("process_id", String, primary_key=True),
    Column("tenant_id", Integer, nullable=False),
    Column("process_type", String, nullable=False),
    Column("system", String, nullable=False),
    Column("request_id", String, nullable=False),
    Column("status", String, nullable=False),
    Column("version", Integer, nullable=False),
    Column("due_at", DateTime, index=True),
    Column("request", JSON, nullable=False),
    Column("phone_id", String),
    Column("account_id", String),
    Column("result", JSON, nullable=False),
    Column("error", JSON(none_as_null=True)),
    Column("created_at", DateTime, nullable=False),
    Column("accepted_at", DateTime),
    Column("queued_at", DateTime),
    Column("executing_at", DateTime),
    Column("retrying_at", DateTime),
    Column("cancel_requested_at", DateTime),
    Column("finished_at", DateTime),
    UniqueConstraint("tenant_id", "process_type", "system", "request_id"),
)
items = Table(
    "item",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("item_id", String, nullable=False, unique=True),
    Column("process_id", ForeignKey("process.process_id"), nullable=False, index=True),
    Column("tenant_id", Integer, nullable=False),
    Column("capability", String, nullable=False),
    Column("queue", String, nullable=False),
    Column("state", String, nullable=False),
    Column("attempt", Integer, nullable=False),
    Index("item_waiting", "tenant_id", "queue", "state", "number"),
)
events = Table(
    "event",
    metadata,
    Column("process_id", ForeignKey("process.process_id"), primary_key=True),
    Column("seq", Integer, primary_key=True),
    Column("name", String, nullable=False),
    Column("at", DateTime, nullable=False),
    Column("data", JSON, nullable=False),
)


Text = Annotated[str, Field(min_length=1, max_length=200)]


class Target(BaseModel):
    routing: Literal["direct", "queue", "group"]
    account_id: str | None = None
    phone_id: str | None = None


class Callback(BaseModel):
    url: str
    metadata: dict[str, Any] = {}


class RequestedBy(BaseModel):
    system: Text
    user: str | None = None
    metadata: dict[str, Any] = {}


class Enqueue(BaseModel):
    request_id: Text
    capability: Text
    mode: Literal["manual", "unattended"]
    target: Target
    inputs: dict[str, Any]
    callback: Callback
    requested_by: RequestedBy


class Accepted(BaseModel):
    status: str
    process_id: str
    request_id: str
    process_type: str
    duplicate: bool | None = None
    process_status: str | None = None


class RecordTarget(BaseModel):
    routing: str
    account_id: str | None
    phone_id: str | None


class Timestamps(BaseModel):
    created_at: datetime
    accepted_at: datetime | None
    queued_at: datetime | None
    executing_at: datetime | None
    retrying_at: datetime | None
    cancel_requested_at: datetime | None
    finished_at: datetime | None


class WaitReason(BaseModel):
    reason: str
    position: int | None


class LinkedIds(BaseModel):
    queue_item_ids: list[str]
    completed_queue_item_ids: list[str]


class Record(BaseModel):
    process_id: str
    process_type: str
    request_id: str
    status: str
    target: RecordTarget
    requested_by: RequestedBy
    callback: Callback
    result: dict[str, Any]
    error: dict[str, Any] | None
    timestamps: Timestamps
    linked_ids: LinkedIds
    partial_progress: dict[str, Any]
    version: int
    wait_reason: WaitReason | None


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    async with engine.begin() as connection:
        await connection.run_sync(metadata.create_all)
    yield
    await engine.dispose()


app = FastAPI(lifespan=lifespan)


async def reading() -> AsyncIterator[AsyncConnection]:
    async with engine.connect() as connection:
        yield connection


async def writing() -> AsyncIterator[AsyncConnection]:
    async with engine.connect() as connection:
        await connection.execution_options(writes=True)
        yield connection


@app.get("/healthz")
async def healthz() -> dict[str, str]:
    return {"status": "ok"}


@app.post("/capability-requests/enqueue", status_code=202, response_model_exclude_none=True)
async def enqueue(
    request: Enqueue, response: Response, connection: Annotated[AsyncConnection, Depends(writing)]
) -> Accepted:
    process = new_process(request)
    process_id = process["process_id"]
    inserted = await connection.execute(insert(processes).on_conflict_do_nothing(), process)
    if inserted.rowcount == 0:
        response.status_code = 200
        return await duplicate(connection, request)
    await connection.execute(insert(items), new_item(process))
    await connection.execute(
        insert(events),
        [
            {"process_id": process_id, "seq": 1, "name": "accepted", "data": {}} | at(process),
            {"process_id": process_id, "seq": 2, "name": "planned", "data": {"items": 1}}
            | at(process),
        ],
    )
    await connection.commit()
    return Accepted(
        status="accepted",
        process_id=process_id,
        request_id=request.request_id,
        process_type=request.capability,
    )


async def duplicate(connection: AsyncConnection, request: Enqueue) -> Accepted:
    wanted = select(processes.c.process_id, processes.c.status).where(
        processes.c.tenant_id == 1,
        processes.c.process_type == request.capability,
        processes.c.system == request.requested_by.system,
        processes.c.request_id == request.request_id,
    )
    found = (await connection.execute(wanted)).one()
    return Accepted(
        status="accepted",
        process_id=found.process_id,
        request_id=request.request_id,
        process_type=request.capability,
        duplicate=True,
        process_status=found.status,
    )


def new_process(request: Enqueue) -> dict[str, Any]:
    now = datetime.now(UTC)
    return {
        "process_id": str(uuid.uuid4()),
        "tenant_id": 1,
        "process_type": request.capability,
        "system": request.requested_by.system,
        "request_id": request.request_id,
        "status": "queued",
        "version": 2,
        "request": request.model_dump(mode="json"),
        "result": {},
        "created_at": now,
        "accepted_at": now,
        "queued_at": now,
    }


def new_item(process: dict[str, Any]) -> dict[str, Any]:
    return {
        "item_id": str(uuid.uuid4()),
        "process_id": process["process_id"],
        "tenant_id": 1,
        "capability": process["process_type"],
        "queue": "phones",
        "state": "queued",
        "attempt": 0,
    }


def at(process: dict[str, Any]) -> dict[str, Any]:
    return {"at": process["created_at"]}


@app.get("/processes/{process_id}")
async def get(process_id: str, connection: Annotated[AsyncConnection, Depends(reading)]) -> Record:
    wanted = select(processes).where(processes.c.process_id == process_id)
    process = (await connection.execute(wanted)).one_or_none()
    if process is None:
        raise HTTPException(404, "not found")
    wanted_items = select(items.c.item_id, items.c.state).where(items.c.process_id == process_id)
    rows = (await connection.execute(wanted_items.order_by(items.c.number))).all()
    request = Enqueue.model_validate(process.request)
    return Record(
        process_id=process.process_id,
        process_type=process.process_type,
        request_id=process.request_id,
        status=process.status,
        target=RecordTarget(
            routing=request.target.routing, account_id=process.account_id, phone_id=process.phone_id
        ),
        requested_by=request.requested_by,
        callback=request.callback,
        result=process.result,
        error=process.error,
        timestamps=Timestamps.model_validate(process, from_attributes=True),
        linked_ids=LinkedIds(
            queue_item_ids=[row.item_id for row in rows],
            completed_queue_item_ids=[row.item_id for row in rows if row.state == "completed"],
        ),
        partial_progress={},
        version=process.version,
        wait_reason=WaitReason(reason="no_agent", position=None),
    )
