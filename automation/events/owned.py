"""Writing to a delivery that this worker holds: one statement, which is put together once.

It is written twice for each delivery, and Django would compile it each time anew: most of what a
message costs between the template and the mail server.
"""

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from django.db import connections, models, router

#: The commit does not wait until it is on the disk. The next commit that waits takes it along;
#: nobody else sees a difference, and only a database that dies within a second loses it.
_NEED_NOT_WAIT = " AND set_config('synchronous_commit', 'off', true) = 'off'"


@dataclass(frozen=True)
class _Statement:
    sql: str
    fields: tuple[Any, ...]


def write(
    delivery: models.Model,
    states: tuple[str, ...],
    values: Mapping[str, Any],
    *,
    living_at: datetime.datetime | None = None,
    may_be_lost: bool = False,
) -> bool:
    """Write ``values``, by field, to ``delivery`` if it still has its token, is in one of
    ``states``, and its claim holds at ``living_at``. Returns whether it was.

    ``may_be_lost``: a database that dies right after it may come back without it, where it can
    be told so (PostgreSQL)."""
    model = type(delivery)
    connection = connections[router.db_for_write(model, instance=delivery)]
    statement = _statement(
        model,
        connection.alias,
        tuple(values),
        len(states),
        living_at is not None,
        may_be_lost and connection.vendor == "postgresql",
    )
    given = [*values.values(), delivery.pk, delivery.token, *states]  # type: ignore[attr-defined]
    if living_at is not None:
        given.append(living_at)
    parameters = [
        field.get_db_prep_save(_plain(value), connection)
        for field, value in zip(statement.fields, given, strict=True)
    ]
    with connection.cursor() as cursor:
        cursor.execute(statement.sql, parameters)
        return cursor.rowcount == 1


def _plain(value: Any) -> Any:
    return value.pk if isinstance(value, models.Model) else value


@lru_cache
def _statement(
    model: type[models.Model],
    alias: str,
    names: tuple[str, ...],
    states: int,
    living: bool,
    may_be_lost: bool,
) -> _Statement:
    quote = connections[alias].ops.quote_name
    by_name: dict[str, Any] = {name: model._meta.get_field(name) for name in (*names, *_KEYS)}
    columns = {name: quote(field.column) for name, field in by_name.items()}
    sql = (
        f"UPDATE {quote(model._meta.db_table)} "
        f"SET {', '.join(f'{columns[name]} = %s' for name in names)} "
        f"WHERE {columns['id']} = %s AND {columns['token']} = %s "
        f"AND {columns['state']} IN ({', '.join(['%s'] * states)})"
    )
    asked = ["id", "token", *["state"] * states]
    if living:
        sql += f" AND {columns['lease_until']} > %s"
        asked.append("lease_until")
    if may_be_lost:
        sql += _NEED_NOT_WAIT
    return _Statement(sql, tuple(by_name[name] for name in (*names, *asked)))


_KEYS = ("id", "token", "state", "lease_until")
