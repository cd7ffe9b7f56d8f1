"""Which addresses a form may point at: other sites by http or https, and this server's files."""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit

OWN_FILES = "/api/v1/files/"
WEB_SCHEMES = ("http", "https")
ADDRESS_RULE = f"must be an http or https address, or begin with {OWN_FILES}"
_UNSAFE = re.compile(r"[\x00-\x20\x7f-\xa0\\\"'<>`{}|^\u2028\u2029]")


def is_allowed(address: str) -> bool:
    """Whether a link, a picture or a download may point there."""
    return is_own_file(address) or is_web(address)


def is_own_file(address: str) -> bool:
    """Whether it is the path of one of this server's files, without a way out of their folder."""
    if not address.startswith(OWN_FILES) or _UNSAFE.search(address):
        return False
    path = unquote(address.partition("?")[0])
    return not {"..", ".", ""} & set(path[len(OWN_FILES) :].split("/")) and "\\" not in path


def is_web(address: str) -> bool:
    """Whether it is a whole http or https address without a user's name in it."""
    if _UNSAFE.search(address):
        return False
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        return False
    named = bool(parts.hostname) and "@" not in parts.netloc
    return parts.scheme in WEB_SCHEMES and named and port != 0
