"""The page of all settings, made from the settings themselves: docs/settings.md."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Annotated, Any, get_args, get_origin

import msgspec
from msgspec import Meta, Struct

from procession.agent.settings import AgentSettings
from procession.commands.agent import HELPS, KEYS, NOT_ASKED
from procession.commands.options import default_text
from procession.settings import Settings

HEAD = """# Settings

Every setting is an option of its command, a variable of the environment, and a key of the settings
file (TOML) that `--config FILE` or `PROCESSION_CONFIG` names. The option wins over the variable,
the variable over the file, the file over the default. One file serves all commands: each takes the
keys it has an option for; a key that no command knows is refused.

`lease_ms` is the option `--lease-ms`, the variable `PROCESSION_LEASE_MS` and the key `lease_ms`.
The same rule holds for the options of every other command, such as `PROCESSION_SERVER`,
`PROCESSION_TOKEN` and `PROCESSION_CALLBACK`. A repeatable option takes commas, in the file a list.

`log_format` (`auto`, `json` or `console`) says how log lines look; they go to standard error.

Times are in the unit the name ends with. This page is made by `make docs`.
"""

LIMITS = {"ge": "≥ {}", "gt": "> {}", "le": "≤ {}", "lt": "< {}"}


def settings_page() -> str:
    """The whole page, as Markdown."""
    return "\n".join(
        [
            HEAD,
            "## `procession serve`\n",
            *_table(Settings, {}, {}),
            "",
            "## `procession agent`\n",
            *_table(AgentSettings, KEYS, HELPS),
            "",
        ]
    )


def _table(kind: type[Struct], keys: Mapping[str, str], helps: Mapping[str, str]) -> list[str]:
    lines = ["| key | kind | default | meaning |", "|---|---|---|---|"]
    for field in msgspec.structs.fields(kind):
        if field.name == NOT_ASKED:
            continue
        inner, meta = _parts(field.type)
        default = default_text(field)
        shown = (
            f"`{default}`" if default and field.default_factory is msgspec.NODEFAULT else default
        )
        meaning = (meta.description if meta else None) or helps[field.name]
        lines.append(
            f"| `{keys.get(field.name, field.name)}` | {_kind(inner, meta)} | {shown} | {meaning} |"
        )
    return lines


def _parts(annotation: Any) -> tuple[Any, Meta | None]:
    if get_origin(annotation) is not Annotated:
        return annotation, None
    inner, *rest = get_args(annotation)
    return inner, next((one for one in rest if isinstance(one, Meta)), None)


def _kind(inner: Any, meta: Meta | None) -> str:
    """The type in words, with its limits."""
    words = {int: "whole number", float: "number", str: "text", list[str]: "list"}
    text = words.get(inner) or ", ".join(f"`{choice}`" for choice in get_args(inner))
    if meta is None:
        return text
    if meta.pattern:
        return meta.pattern.strip("^()$").replace("|", ", ")
    limits = [
        form.format(f"{getattr(meta, name):,}")
        for name, form in LIMITS.items()
        if getattr(meta, name) is not None
    ]
    return ", ".join([text, *limits])


if __name__ == "__main__":
    sys.stdout.write(settings_page())
