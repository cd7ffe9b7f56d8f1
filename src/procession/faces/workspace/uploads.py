"""Files a person uploads for a job: streamed to disk, handed to workers in pieces."""

from __future__ import annotations

import asyncio
from typing import Annotated

from msgspec import Meta, Struct

from procession.faces.endpoint import Answer, BodyTooLarge, BodyTooSlow, Endpoint, Request
from procession.faces.workspace.declared import WITH_BODY, read, write
from procession.uploads import (
    BYTES_MAX,
    NAME_CHARS_MAX,
    PIECE_BYTES,
    WRITE_BYTES,
    Receiving,
    Upload,
    Uploads,
)

ONE = "/api/uploads/{id}"
SILENCE_S_MAX = 20.0
WHOLE_S_MAX = 1_800.0


class UploadQuery(Struct, frozen=True):
    """The name of the file; shown, never a path."""

    name: Annotated[str, Meta(max_length=NAME_CHARS_MAX)] = "upload"


class PieceQuery(Struct, frozen=True):
    """From which byte on."""

    offset: Annotated[int, Meta(ge=0, le=BYTES_MAX)] = 0


class UploadRoutes:
    """Takes files in and gives them out."""

    def __init__(self, uploads: Uploads) -> None:
        self._uploads = uploads

    async def receive(self, request: Request) -> Answer:
        """The body is the file itself. Raises BodyTooLarge, BodyTooSlow and what `begin` does."""
        said = request.header(b"content-length")
        if said.isdigit() and int(said[:19]) > BYTES_MAX:
            raise BodyTooLarge(f"an upload may have {BYTES_MAX} bytes at most")
        receiving = await asyncio.to_thread(
            self._uploads.begin, request.caller.tenant_id, request.query.name
        )
        try:
            with request.parked():
                async with asyncio.timeout(WHOLE_S_MAX):
                    await _take_in(request, receiving)
            made = await asyncio.to_thread(receiving.finish)
        except TimeoutError:
            raise BodyTooSlow from None
        finally:
            await asyncio.shield(asyncio.to_thread(receiving.drop))
        return Answer(201, made, ((b"location", f"/api/uploads/{made.id}".encode()),))

    async def get(self, request: Request) -> Answer:
        return Answer(body=await self._find(request))

    async def piece(self, request: Request) -> Answer:
        """Some MiB of the file; a worker asks until it has as many bytes as the header says."""
        upload = await self._find(request)
        data = await asyncio.to_thread(
            self._uploads.piece, request.caller.tenant_id, upload.id, request.query.offset
        )
        headers = (
            (b"x-upload-bytes", str(upload.bytes).encode()),
            (b"x-upload-sha256", upload.sha256.encode()),
            (b"x-content-type-options", b"nosniff"),
        )
        return Answer(200, data, headers, b"application/octet-stream")

    async def _find(self, request: Request) -> Upload:
        tenant_id, upload_id = request.caller.tenant_id, request.params["id"]
        return await asyncio.to_thread(self._uploads.find, tenant_id, upload_id)

    def endpoints(self) -> list[Endpoint]:
        return [
            write(
                "/api/uploads",
                self.receive,
                f"Upload a file for a job: the body is the file, {BYTES_MAX >> 20} MiB at most",
                Upload,
                *WITH_BODY,
                query=UploadQuery,
                success=(201,),
            ),
            read(ONE, self.get, "What was uploaded", Upload, 404),
            read(
                f"{ONE}/content",
                self.piece,
                f"A piece of an upload, {PIECE_BYTES >> 20} MiB at most: for workers",
                None,
                404,
                query=PieceQuery,
                scope="worker",
                content_type="application/octet-stream",
            ),
        ]


async def _take_in(request: Request, receiving: Receiving) -> None:
    """Raises BodyTooLarge, BodyTooSlow, TimeoutError."""
    waiting = bytearray()
    more = True
    while more:
        async with asyncio.timeout(SILENCE_S_MAX):
            message = await request.receive()
        if message["type"] == "http.disconnect":
            raise BodyTooSlow("the client went away before its body had arrived")
        waiting += message.get("body", b"")
        more = message.get("more_body", False)
        if len(waiting) >= WRITE_BYTES or not more:
            total = await asyncio.to_thread(receiving.add, bytes(waiting))
            waiting.clear()
            if total > BYTES_MAX:
                raise BodyTooLarge(f"an upload may have {BYTES_MAX} bytes at most")
