"""Files: kept for the organization, read by whoever holds a signed link that is in its time."""

from __future__ import annotations

from msgspec import Struct

from procession.engine import Engine
from procession.faces.endpoint import Answer, Endpoint, Request
from procession.faces.steps.addresses import Addresses
from procession.faces.steps.bodies import chunks_of
from procession.faces.steps.declared import WITH_BODY, declare
from procession.faces.steps.refusals import FieldsInvalid
from procession.faces.steps.words import org_id_of
from procession.files.multipart import FormLimits, reading_form
from procession.files.opening import open_files
from procession.files.serving import FileBody, headers_of, sized, span, type_of
from procession.files.store import FilesOff, FileStore

ONE = "/files/{org}/{place}/{name}"
FORM_BYTES_MAX = 65_536
"""What a form may have besides the file."""


class FileView(Struct, frozen=True):
    """A file as it was kept; `url` shows it for a day."""

    url: str
    key: str
    name: str
    size: int
    type: str


class FileQuery(Struct, frozen=True):
    """A link's signature, and the time (ms) it is good until."""

    expires: str = ""
    signature: str = ""


class Files:
    """Takes files in and gives them out."""

    def __init__(self, engine: Engine, addresses: Addresses) -> None:
        self._engine = engine
        self._addresses = addresses
        self._opened: FileStore | None = None

    def store(self) -> FileStore:
        """Raises FilesOff."""
        if self._opened is None:
            self._opened = open_files(self._engine.settings)
        return self._opened

    def store_or_none(self) -> FileStore | None:
        try:
            return self.store()
        except FilesOff:
            return None

    async def receive(self, request: Request) -> Answer:
        store = self.store()
        file_bytes_max = self._engine.settings.file_bytes_max
        limits = FormLimits(file_bytes_max, file_bytes_max + FORM_BYTES_MAX, 20, 1)
        kind = request.header(b"content-type")
        with request.parked():
            async with reading_form(chunks_of(request), kind, limits) as form:
                file = form.file("file")
                if file is None:
                    raise FieldsInvalid([("file", "is required: a file of a multipart form")])
                kept = await store.put(
                    org_id_of(request.caller.tenant_id),
                    file.name,
                    file.chunks(),
                    content_type=file.content_type,
                    bytes_max=file_bytes_max,
                    folder=form.field("folder"),
                )
        url = await self._addresses.file(request, kept.key)
        shown = FileView(url, kept.key, kept.name, kept.size, kept.type)
        return Answer(201, shown, ((b"location", url.encode()),))

    async def get(self, request: Request) -> Answer:
        key = "/".join(request.params[part] for part in ("org", "place", "name"))
        links = await self._addresses.file_links()
        links.verify(key, request.query.expires, request.query.signature, self._engine.now_ms())
        store = self.store()
        file = await store.find(key)
        part = span(request.header(b"range"), file.size)
        opened = await store.open(key, *(part or (0, file.size)))
        return Answer(
            200 if part is None else 206,
            FileBody(opened.chunks),
            (*headers_of(file), *sized(opened)),
            type_of(file),
            stream_s_max=1_800.0,
        )

    def endpoints(self) -> list[Endpoint]:
        return [
            declare(
                "POST /files",
                self.receive,
                "Upload a file, as `file` of a multipart form with `folder`, if any",
                scope="tasks:create",
                answer=FileView,
                errors=(*WITH_BODY, 501),
                success=(201,),
            ),
            declare(
                f"GET {ONE}",
                self.get,
                "A file, by its signed link",
                scope=None,
                query=FileQuery,
                errors=(404, 410, 416, 501),
                success=(200, 206),
                content_type="application/octet-stream",
            ),
        ]
