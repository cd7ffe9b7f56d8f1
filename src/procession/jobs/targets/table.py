"""A table of a database: rows and the mark of how far a job is, in one transaction."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, NoSuchTableError, OperationalError, SQLAlchemyError

from procession.jobs.targets.target import Columns, Mark, Named, TargetAway, TargetRefused

MARKS = "procession_import_marks"
CONNECT_S_MAX = 10
BUSY_S_MAX = 30
CHARS_SHOWN = 300


class TableTarget:
    """Inserts rows; each batch moves the job's mark, so that no batch can come twice."""

    def __init__(self, named: Named, job_key: str) -> None:
        self._key = job_key
        with _explained():
            self._engine = _engine_of(named.database)
            marks = sa.MetaData()
            self._marks = sa.Table(
                MARKS,
                marks,
                sa.Column("job", sa.String(64), primary_key=True),
                sa.Column("rows_done", sa.BigInteger, nullable=False),
                sa.Column("rows_applied", sa.BigInteger, nullable=False),
            )
            self._table = self._found(named)
            self._insert: _Insert | None = None
            self._prepare(marks)

    def missing(self, fields: Sequence[str]) -> dict[str, str]:
        known = {column.name for column in self._table.columns}
        return {
            field: f"the table {self._table.name} has no column {field!r}"
            for field in fields
            if field not in known
        }

    def mark(self, known: Mark) -> Mark:
        marks = self._marks.c
        with _explained(), self._engine.connect() as connection:
            query = sa.select(marks.rows_done, marks.rows_applied).where(marks.job == self._key)
            return Mark(*connection.execute(query).one())

    def apply(self, mark: Mark, upto: int, fields: Sequence[str], columns: Columns) -> Mark:
        after = Mark(upto, mark.applied + len(columns[0]))
        with _explained(f"rows {mark.done + 1} to {upto}"), self._engine.begin() as connection:
            # First, because it locks: of two runs of one job the later finds another mark.
            moved = connection.execute(
                self._marks.update()
                .where(self._marks.c.job == self._key, self._marks.c.rows_done == mark.done)
                .values(rows_done=after.done, rows_applied=after.applied)
            )
            if moved.rowcount != 1:
                raise TargetAway("another run of this job writes to the target")
            self._put(connection, fields, columns)
        return after

    def insert(self, fields: Sequence[str], columns: Columns) -> None:
        """Insert rows in a transaction of their own, under no mark. Raises as the others do."""
        with _explained(), self._engine.begin() as connection:
            self._put(connection, fields, columns)

    def close(self) -> None:
        self._engine.dispose()

    def _put(self, connection: sa.Connection, fields: Sequence[str], columns: Columns) -> None:
        if columns[0]:
            statement = self._statement(tuple(fields))
            connection.exec_driver_sql(statement.text, statement.rows(columns))

    def _statement(self, fields: tuple[str, ...]) -> _Insert:
        """Compiled once: naming each value of each row costs more than inserting it."""
        if self._insert is None or self._insert.fields != fields:
            self._insert = _Insert(self._table, self._engine.dialect, fields)
        return self._insert

    def _found(self, named: Named) -> sa.Table:
        try:
            return sa.Table(
                named.table,
                sa.MetaData(),
                schema=named.schema or None,
                autoload_with=self._engine,
                resolve_fks=False,
            )
        except NoSuchTableError:
            raise TargetRefused(f"the target's database has no table {named.table!r}") from None

    def _prepare(self, marks: sa.MetaData) -> None:
        """The table of marks, and this job's own."""
        with suppress(DBAPIError):
            # Two jobs may make it at once; one of them is refused, and finds it below.
            marks.create_all(self._engine)
        mine = sa.select(self._marks.c.job).where(self._marks.c.job == self._key)
        with self._engine.begin() as connection:
            if connection.execute(mine).first() is None:
                first = {"job": self._key, "rows_done": 0, "rows_applied": 0}
                with suppress(sa.exc.IntegrityError), connection.begin_nested():
                    connection.execute(self._marks.insert().values(first))


class _Insert:
    """An insert of these fields, as the database's own driver takes it."""

    def __init__(self, table: sa.Table, dialect: sa.Dialect, fields: tuple[str, ...]) -> None:
        self.fields = fields
        compiled = table.insert().inline().compile(dialect=dialect, column_keys=list(fields))
        names = list(compiled.positiontup or ())
        self.text = str(compiled)
        self._places = [fields.index(name) for name in names]
        types = [table.c[name].type.dialect_impl(dialect) for name in names]
        self._written = [each.bind_processor(dialect) for each in types]

    def rows(self, columns: Columns) -> list[tuple[Any, ...]]:
        """The rows in the statement's order, each value as the driver takes it."""
        taken = [
            columns[place] if written is None else map(written, columns[place])
            for place, written in zip(self._places, self._written, strict=True)
        ]
        return list(zip(*taken, strict=True))


def _engine_of(url: str) -> sa.Engine:
    """An engine with the driver that is installed with the product, its values told by place."""
    address = sa.make_url(url)
    if address.drivername in ("postgresql", "postgres"):
        address = address.set(drivername="postgresql+psycopg")
        address = address.update_query_dict({"connect_timeout": str(CONNECT_S_MAX)})
        return sa.create_engine(address, paramstyle="format")
    if address.drivername.startswith("sqlite"):
        address = address.update_query_dict({"timeout": str(BUSY_S_MAX)})
    return sa.create_engine(address)


@contextmanager
def _explained(what: str = "") -> Generator[None, None, None]:
    """What the database says, without the rows and without its address."""
    try:
        yield
    except OperationalError as error:
        raise TargetAway(f"the target's database: {_said(error)}") from None
    except DBAPIError as error:
        where = f" ({what})" if what else ""
        raise TargetRefused(f"the target's database refuses{where}: {_said(error)}") from None
    except SQLAlchemyError as error:
        raise TargetRefused(f"the target cannot be used: {str(error)[:CHARS_SHOWN]}") from None


def _said(error: DBAPIError) -> str:
    return " ".join(str(error.orig).split())[:CHARS_SHOWN]
