"""Writing many rows with few statements, and without an instance for each."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

from django.db import connections, models, router

from automation.rules import plain

# Rows in one statement. More would not be faster, and a statement is in memory several
# times over on its way: as values, as text, as bytes.
_AT_A_TIME = 500


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
    fields = [_field(model, name) for name in [*columns, *constants]]
    fixed = [
        _prepared(field, [value], connection)[0]
        for field, value in zip(fields[len(columns) :], constants.values(), strict=True)
    ]
    write = _unnest if connection.vendor == "postgresql" else _values
    remaining, inserted = iter(rows), 0
    while some := list(islice(remaining, _AT_A_TIME)):
        varying = [
            _prepared(field, values, connection)
            for field, values in zip(fields[: len(columns)], zip(*some, strict=True), strict=True)
        ]
        inserted += write(connection, model, fields, varying, fixed)
    return inserted


def _field(model: type[models.Model], name: str) -> Any:
    for field in model._meta.concrete_fields:
        if name in (field.name, field.attname):
            return field
    raise LookupError(f"{model._meta.label} has no column '{name}'.")


def _prepared(field: Any, values: Sequence[Any], connection: Any) -> Sequence[Any]:
    """The values of one column as the database takes them. Text and numbers are so already,
    and going through the field for each of them would take longer than writing them."""
    if isinstance(field, models.JSONField):
        return [
            value if value is None or isinstance(value, str) else plain.dumps(value)
            for value in values
        ]
    if isinstance(field, models.DateTimeField):
        # Mostly one moment for all rows.
        moments = {value: field.get_db_prep_value(value, connection) for value in set(values)}
        return [moments[value] for value in values]
    if isinstance(field, models.UUIDField):
        return [field.get_db_prep_value(value, connection) for value in values]
    return values


def _unnest(
    connection: Any,
    model: type[models.Model],
    fields: list[Any],
    columns: list[Sequence[Any]],
    fixed: list[Any],
) -> int:
    """PostgreSQL: one array a column, so the statement is the same for any number of rows."""
    quote = connection.ops.quote_name
    types = [
        field.rel_db_type(connection) if field.is_relation else field.db_type(connection)
        for field in fields
    ]
    arrays = ", ".join(["%s::text[]"] * len(columns))
    aliases = ", ".join(f"v{index}" for index in range(len(columns)))
    chosen = [f"v{index}::{types[index]}" for index in range(len(columns))]
    chosen += [f"%s::{kind}" for kind in types[len(columns) :]]
    statement = (
        f"INSERT INTO {quote(model._meta.db_table)} "
        f"({', '.join(quote(field.column) for field in fields)}) "
        f"SELECT {', '.join(chosen)} FROM unnest({arrays}) AS v({aliases}) "
        "ON CONFLICT DO NOTHING"
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, [*fixed, *map(_array, columns)])
        return int(cursor.rowcount)


def _array(values: Sequence[Any]) -> Any:
    """``values`` as a PostgreSQL text array. psycopg escapes a list value by value with a
    regular expression, which takes longer than the whole insert; here all are escaped at
    once, put together with the one sign that no text in PostgreSQL can have."""
    if None in values:
        return [None if value is None else str(value) for value in values]
    joined = "\0".join(map(str, values))
    if joined.count("\0") != len(values) - 1:
        raise ValueError("PostgreSQL text cannot contain NUL (0x00) characters.")
    escaped = joined.replace("\\", "\\\\").replace('"', '\\"')
    return '{"' + escaped.replace("\0", '","') + '"}'


def _values(
    connection: Any,
    model: type[models.Model],
    fields: list[Any],
    columns: list[Sequence[Any]],
    fixed: list[Any],
) -> int:
    """Everywhere else: one prepared statement, which the driver runs for each row."""
    quote = connection.ops.quote_name
    verb, ending = (
        ("INSERT IGNORE", "")
        if connection.vendor == "mysql"
        else ("INSERT", " ON CONFLICT DO NOTHING")
    )
    statement = (
        f"{verb} INTO {quote(model._meta.db_table)} "
        f"({', '.join(quote(field.column) for field in fields)}) "
        f"VALUES ({', '.join(['%s'] * len(fields))}){ending}"
    )
    with connection.cursor() as cursor:
        cursor.executemany(statement, [(*row, *fixed) for row in zip(*columns, strict=True)])
        return int(cursor.rowcount)
