"""Writing many rows with one statement a chunk, and without an instance for each."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

from django.db import connections, models, router

from automation.rules import plain

# SQLite refuses statements with more than 32,766 parameters; Python's own limit is higher.
_MAX_PARAMETERS = 30_000


def insert_rows(
    model: type[models.Model],
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]],
    constants: Mapping[str, Any] | None = None,
) -> int:
    """Insert ``rows`` into the table of ``model``; rows that meet a unique constraint are
    left out. Returns how many were inserted.

    ``columns`` are names of model fields or their attnames, in the order of the values of
    each row; ``constants`` are further columns with one value for all rows. Columns with
    neither take the database's default, so they must be nullable or have one.
    Call it in a transaction: a long list of rows takes several statements.
    """
    constants = constants or {}
    connection = connections[router.db_for_write(model)]
    names = [*columns, *constants]
    fields = [_field(model, name) for name in names]
    prepared = (
        [_prepared(field, value, connection) for field, value in zip(fields, row, strict=False)]
        for row in rows
    )
    fixed = [
        _prepared(field, value, connection)
        for field, value in zip(fields[len(columns) :], constants.values(), strict=True)
    ]
    write = _unnest if connection.vendor == "postgresql" else _values
    return write(connection, model, fields, len(columns), prepared, fixed)


def _field(model: type[models.Model], name: str) -> Any:
    for field in model._meta.concrete_fields:
        if name in (field.name, field.attname):
            return field
    raise LookupError(f"{model._meta.label} has no column '{name}'.")


def _prepared(field: Any, value: Any, connection: Any) -> Any:
    if value is None:
        return None
    if isinstance(field, models.JSONField):
        return value if isinstance(value, str) else plain.dumps(value)
    if isinstance(field, models.UUIDField | models.DateTimeField):
        return field.get_db_prep_value(value, connection)
    return value


def _unnest(
    connection: Any,
    model: type[models.Model],
    fields: list[Any],
    varying: int,
    rows: Iterable[Sequence[Any]],
    fixed: list[Any],
) -> int:
    """PostgreSQL: one array a column, so the statement is the same for any number of rows."""
    quote = connection.ops.quote_name
    columns = list(zip(*rows, strict=True))
    if not columns:
        return 0
    types = [field.rel_db_type(connection) if field.is_relation else field.db_type(connection)
             for field in fields]  # fmt: skip
    arrays = ", ".join(f"%s::{_array_type(kind)}[]" for kind in types[:varying])
    aliases = ", ".join(f"v{index}" for index in range(varying))
    chosen = [f"v{index}::{types[index]}" for index in range(varying)]
    chosen += [f"%s::{kind}" for kind in types[varying:]]
    statement = (
        f"INSERT INTO {quote(model._meta.db_table)} "
        f"({', '.join(quote(field.column) for field in fields)}) "
        f"SELECT {', '.join(chosen)} FROM unnest({arrays}) AS v({aliases}) "
        "ON CONFLICT DO NOTHING"
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, [*fixed, *(list(column) for column in columns)])
        return int(cursor.rowcount)


def _array_type(kind: str) -> str:
    """JSON travels as text: psycopg would wrap each value in an object of its own."""
    return "text" if kind.startswith(("jsonb", "varchar")) else kind


def _values(
    connection: Any,
    model: type[models.Model],
    fields: list[Any],
    varying: int,
    rows: Iterable[Sequence[Any]],
    fixed: list[Any],
) -> int:
    """Everywhere else: VALUES with as many rows as the parameters allow."""
    quote = connection.ops.quote_name
    placeholders = f"({', '.join(['%s'] * len(fields))})"
    verb, ending = ("INSERT IGNORE", "") if connection.vendor == "mysql" else (
        "INSERT", " ON CONFLICT DO NOTHING"
    )  # fmt: skip
    start = (
        f"{verb} INTO {quote(model._meta.db_table)} "
        f"({', '.join(quote(field.column) for field in fields)}) VALUES "
    )
    at_a_time = _MAX_PARAMETERS // len(fields)
    remaining, inserted = iter(rows), 0
    with connection.cursor() as cursor:
        while some := list(islice(remaining, at_a_time)):
            parameters = [value for row in some for value in (*row, *fixed)]
            cursor.execute(start + ", ".join([placeholders] * len(some)) + ending, parameters)
            inserted += cursor.rowcount
    return inserted
