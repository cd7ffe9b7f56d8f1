"""Addresses that people are given: of forms, and of files for a while."""

from __future__ import annotations

import re

from procession.engine import Engine
from procession.faces.endpoint import Request
from procession.files.keys import FileMissing
from procession.files.links import PATH, FileLinks, link_secret
from procession.settings import parse_public_url

FILE_LINK_MS = 86_400_000
_HOST = re.compile(r"[A-Za-z0-9.-]{1,253}(?::[0-9]{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](?::[0-9]{1,5})?")


class Addresses:
    """What links begin with, and the signatures of those to files."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._public = parse_public_url(engine.settings.public_url)
        self._links: FileLinks | None = None

    @property
    def secure(self) -> bool:
        """Whether people reach this server by https."""
        return self._public.startswith("https://")

    def origin(self, request: Request) -> str:
        """The setting, else as the caller has reached this server, else where it listens."""
        if self._public:
            return self._public
        host = request.header(b"host")
        if _HOST.fullmatch(host):
            return f"http://{host}"
        settings = self._engine.settings
        named = f"[{settings.host}]" if ":" in settings.host else settings.host
        return f"http://{named}:{settings.port}"

    def form(self, request: Request, link_id: str) -> str:
        return f"{self.origin(request)}/t/{link_id}"

    async def file_links(self) -> FileLinks:
        if self._links is None:
            self._links = FileLinks(await link_secret(self._engine))
        return self._links

    async def file(self, request: Request, key: str) -> str:
        """Where a file can be read for a day. Raises FileMissing for what is no key."""
        links = await self.file_links()
        return self.origin(request) + links.sign(key, self._engine.now_ms() + FILE_LINK_MS)


def own_key(path: str, org: str) -> str | None:
    """The key in the path of an organization's own file; None for any other path."""
    key = path.partition("?")[0].removeprefix(PATH)
    return key if path.startswith(PATH) and key.startswith(f"{org}/") else None


def signed_path(links: FileLinks, path: str, org: str, expires_ms: int) -> str | None:
    """A path of an own file as it may be fetched until then; None for what is none."""
    key = own_key(path, org)
    try:
        return links.sign(key, expires_ms) if key else None
    except FileMissing:
        return None
