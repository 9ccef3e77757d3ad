"""Writing many rows with few statements, and without an instance for each."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

from django.core.exceptions import EmptyResultSet
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


def update_rows(
    model: type[models.Model],
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]],
    constants: Mapping[str, Any] | None = None,
    *,
    within: models.QuerySet[Any],
) -> set[Any]:
    """Write values of its own into each of many rows, those ``within`` a query. Each of ``rows``
    is a primary key and the values of ``columns``, as for ``insert_rows``; ``constants`` are the
    same for all rows. Returns the primary keys of the rows that were written. Call it in a
    transaction that holds the rows.

    On PostgreSQL the query is part of the statement that writes, so it sees what was committed
    before that began. Elsewhere it is asked right before, which is the same on SQLite: there
    nobody else writes during the transaction."""
    constants = constants or {}
    connection = connections[router.db_for_write(model)]
    key: Any = model._meta.pk
    fields = [key, *(_field(model, name) for name in [*columns, *constants])]
    fixed = [
        _prepared(field, [value], connection)[0]
        for field, value in zip(fields[1 + len(columns) :], constants.values(), strict=True)
    ]
    write = _update_unnest if connection.vendor == "postgresql" else _update_values
    remaining, updated = iter(rows), set[Any]()
    while some := list(islice(remaining, _AT_A_TIME)):
        varying = [
            _prepared(field, values, connection)
            for field, values in zip(
                fields[: 1 + len(columns)], zip(*some, strict=True), strict=True
            )
        ]
        meant = within.filter(pk__in=[row[0] for row in some]).order_by()
        updated |= write(connection, model, fields, varying, fixed, meant)
    return updated


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
    types = _types(connection, fields)
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


def _update_unnest(
    connection: Any,
    model: type[models.Model],
    fields: list[Any],
    columns: list[Sequence[Any]],
    fixed: list[Any],
    within: models.QuerySet[Any],
) -> set[Any]:
    """PostgreSQL: one statement for any number of rows, as in ``_unnest``."""
    quote = connection.ops.quote_name
    types = _types(connection, fields)
    arrays = ", ".join(["%s::text[]"] * len(columns))
    aliases = ", ".join(f"v{index}" for index in range(len(columns)))
    values = [f"v.v{index}::{types[index]}" for index in range(len(columns))]
    values += [f"%s::{kind}" for kind in types[len(columns) :]]
    assigned = ", ".join(
        f"{quote(field.column)} = {value}"
        for field, value in zip(fields[1:], values[1:], strict=True)
    )
    table, key = quote(model._meta.db_table), quote(fields[0].column)
    try:
        meant, asked = within.values("pk").query.get_compiler(using=connection.alias).as_sql()
    except EmptyResultSet:
        return set()
    statement = (
        f"UPDATE {table} SET {assigned} FROM unnest({arrays}) AS v({aliases}) "
        f"WHERE {table}.{key} = {values[0]} AND {table}.{key} IN ({meant}) RETURNING {table}.{key}"
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, [*fixed, *map(_array, columns), *asked])
        return {pk for (pk,) in cursor.fetchall()}


def _types(connection: Any, fields: list[Any]) -> list[Any]:
    """What text is cast to for these columns."""
    return [
        field.rel_db_type(connection) if field.is_relation else field.db_type(connection)
        for field in fields
    ]


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


def _update_values(
    connection: Any,
    model: type[models.Model],
    fields: list[Any],
    columns: list[Sequence[Any]],
    fixed: list[Any],
    within: models.QuerySet[Any],
) -> set[Any]:
    """Everywhere else: one prepared statement, which the driver runs for each row."""
    meant = set(within.values_list("pk", flat=True))
    quote = connection.ops.quote_name
    assigned = ", ".join(f"{quote(field.column)} = %s" for field in fields[1:])
    statement = (
        f"UPDATE {quote(model._meta.db_table)} SET {assigned} WHERE {quote(fields[0].column)} = %s"
    )
    with connection.cursor() as cursor:
        cursor.executemany(
            statement,
            [(*row[1:], *fixed, row[0]) for row in zip(*columns, strict=True) if row[0] in meant],
        )
    return meant
