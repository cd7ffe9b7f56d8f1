"""What an import is asked to do: which column goes to which field, as what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, to_builtins

from procession.jobs.csv_import.checks import Check, check_of

COLUMNS_MAX = 200
NAME_CHARS_MAX = 200
CELL_CHARS_MAX = 131_072
BATCH_ROWS = 1_000
BATCH_ROWS_MAX = 5_000
CHOICES_MAX = 500
CELLS_MAX = 1_000

Kind = Literal["text", "int", "float", "bool", "date", "enum"]
Name = Annotated[str, Meta(min_length=1, max_length=NAME_CHARS_MAX)]
FieldName = Annotated[str, Meta(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,62}$")]

Encoding = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.-]{0,40}$")]
Delimiter = Annotated[str, Meta(max_length=1)]


class Column(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One column of the file and the field it fills.

    An empty cell becomes `default`, or null without one; a `required` one must not be empty.
    `choices` is for `enum`, `format` (as strptime has it, else ISO 8601) for `date`.
    """

    column: Name
    field: FieldName
    type: Kind = "text"
    required: bool = False
    default: str | int | float | bool | None = None
    max_chars: Annotated[int, Meta(ge=1, le=CELL_CHARS_MAX)] = 10_000
    choices: Annotated[list[Name], Meta(max_length=CHOICES_MAX)] = []
    format: Annotated[str, Meta(max_length=100)] = ""

    def __post_init__(self) -> None:
        if (self.type == "enum") != bool(self.choices):
            raise ValueError(f"{self.field}: choices belong to the type enum, and it needs some")
        if self.required and self.default is not None:
            raise ValueError(f"{self.field}: what is required has no default")
        try:
            self.check()
        except ValueError as reason:
            raise ValueError(f"{self.field}: the default {reason}") from None

    def check(self) -> Check:
        """How its cells are read. Raises ValueError for a default that does not fit."""
        return check_of(
            self.type,
            required=self.required,
            default=self.default,
            max_chars=self.max_chars,
            choices=self.choices,
            format=self.format,
        )


Columns = Annotated[list[Column], Meta(min_length=1, max_length=COLUMNS_MAX)]


class CsvInput(Struct, frozen=True, forbid_unknown_fields=True):
    """`upload` is the id of an uploaded file, `target` the name of one of the worker's targets.

    `encoding` and `delimiter` are found out when empty. No two rows may be equal in all fields
    of `unique`. Without a `header` the columns are called 1, 2, 3 and so on.
    """

    upload: Annotated[str, Meta(pattern=r"^[0-9a-f]{32}$")]
    target: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]
    columns: Columns
    unique: Annotated[list[FieldName], Meta(max_length=COLUMNS_MAX)] = []
    encoding: Encoding = ""
    delimiter: Delimiter = ""
    header: bool = True
    batch_rows: Annotated[int, Meta(ge=1, le=BATCH_ROWS_MAX)] = BATCH_ROWS

    def __post_init__(self) -> None:
        check_columns(self.columns, self.unique)


class Edits(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a person corrects: another mapping, how the file is written, cells by line and field."""

    encoding: Encoding | None = None
    delimiter: Delimiter | None = None

    columns: Columns | None = None
    unique: list[FieldName] | None = None
    cells: Annotated[dict[int, dict[FieldName, str | None]], Meta(max_length=CELLS_MAX)] = {}


def check_columns(columns: Sequence[Column], unique: Sequence[str]) -> None:
    """Raises ValueError for what cannot be meant."""
    fields = [column.field for column in columns]
    for field in fields:
        if fields.count(field) > 1:
            raise ValueError(f"two columns go to the field {field!r}")
    for field in unique:
        if field not in fields:
            raise ValueError(f"unique names the field {field!r}, which no column fills")


def check_cells(columns: Sequence[Column], cells: Mapping[int, Mapping[str, str | None]]) -> None:
    """Raises ValueError for the first correction that is wrong itself."""
    checks = {column.field: column.check() for column in columns}
    for line, corrected in cells.items():
        for field, text in corrected.items():
            if field not in checks:
                raise ValueError(f"line {line}: no column fills a field {field!r}")
            try:
                checks[field].cell(text)
            except ValueError as reason:
                raise ValueError(f"line {line}, {field}: {reason}") from None


def plain(columns: Sequence[Column]) -> list[dict[str, Any]]:
    """The mapping as a draft shows it and as an edit may give it back."""
    shown: list[dict[str, Any]] = to_builtins(list(columns))
    return shown
