"""What a form is made of: steps of blocks, and the fields that its input blocks ask for."""

from __future__ import annotations

from msgspec import Struct

STEPS_MAX = 50
BLOCKS_MAX = 100
"""In one step."""
FIELDS_MAX = 200
"""In the whole form."""
OPTIONS_MAX = 500
TABLE_COLUMNS_MAX = 20
TABLE_ROWS_MAX = 200
TITLE_CHARS_MAX = 200
NAME_CHARS_MAX = 100
LABEL_CHARS_MAX = 500
ADDRESS_CHARS_MAX = 2_000
TABLE_CELLS_MAX = 20_000
"""In all tables of the form."""
CELL_CHARS_MAX = 2_000
MARKDOWN_CHARS_MAX = 20_000
"""In one text."""
MARKDOWN_TOTAL_CHARS_MAX = 100_000
"""In the whole form."""
FILES_MAX = 20
ACCEPTED_MAX = 50
FILE_BYTES_MAX = 25 * 1024 * 1024


class Field(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind"):
    """One thing a person is asked for; `name` is its key in the answers."""

    name: str
    label: str
    required: bool = True
    placeholder: str | None = None
    description_mdsvex: str | None = None

    @property
    def kind(self) -> str:
        return str(self.__struct_config__.tag)


class TextField(Field, frozen=True, tag="text"):
    """One line of text."""


class TextareaField(Field, frozen=True, tag="textarea"):
    """Several lines of text."""


class NumberField(Field, frozen=True, kw_only=True, tag="number"):
    """A number between `min` and `max`, both allowed themselves."""

    min: int | float | None = None
    max: int | float | None = None


class Option(Struct, frozen=True):
    """One choice: the value that is answered, the label that is shown."""

    value: str
    label: str


class SelectField(Field, frozen=True, kw_only=True, tag="select"):
    """One of several options."""

    options: tuple[Option, ...]


class CheckboxField(Field, frozen=True, kw_only=True, tag="checkbox"):
    """Yes or no; `must_tick` when only yes will do."""

    must_tick: bool = False


class FileField(Field, frozen=True, kw_only=True, tag="file"):
    """Files of at most `max_file_size` bytes; `accept` as in HTML: `.pdf`, `image/*`."""

    accept: tuple[str, ...] = ()
    max_file_size: int = FILE_BYTES_MAX
    max_files: int = 1


class SignatureField(Field, frozen=True, tag="signature"):
    """A drawn signature, answered as a PNG in a data URL."""


AnyField = (
    TextField
    | TextareaField
    | NumberField
    | SelectField
    | CheckboxField
    | FileField
    | SignatureField
)


class Block(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type"):
    """One part of a step, shown in order."""

    @property
    def kind(self) -> str:
        return str(self.__struct_config__.tag)


class Input(Block, frozen=True, kw_only=True, tag="input"):
    """Asks for one field."""

    field: AnyField


class Text(Block, frozen=True, kw_only=True, tag="mdsvex"):
    """Markdown."""

    content: str


class Table(Block, frozen=True, kw_only=True, tag="table"):
    """Rows of as many cells as there are columns."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...] = ()
    title: str | None = None


class Image(Block, frozen=True, kw_only=True, tag="image"):
    """A picture; of another site only as a link."""

    url: str
    alt: str
    caption: str | None = None


class Callout(Block, frozen=True, kw_only=True, tag="callout"):
    """Markdown that stands out."""

    content: str
    tone: str = "info"
    title: str | None = None


class Pdf(Block, frozen=True, kw_only=True, tag="pdf"):
    """A link to a PDF document."""

    url: str
    title: str | None = None


class Download(Block, frozen=True, kw_only=True, tag="download"):
    """A link to a file."""

    url: str
    label: str


AnyBlock = Input | Text | Table | Image | Callout | Pdf | Download


class Step(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A titled part of the form."""

    id: str
    title: str
    description_mdsvex: str | None = None
    blocks: tuple[AnyBlock, ...] = ()


class Definition(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A whole form. Encoded by msgspec it is the wire form again, in one spelling."""

    title: str
    instructions_mdsvex: str | None = None
    steps: tuple[Step, ...] = ()

    @property
    def fields(self) -> tuple[AnyField, ...]:
        return tuple(
            block.field for step in self.steps for block in step.blocks if isinstance(block, Input)
        )
