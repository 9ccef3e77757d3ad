"""One process with a chain: ``python -m automation.demo.benchmark.sleepers …``.

``fill COUNT`` makes tables and a chain with so many runs that sleep, in the database of
DATABASE_URL; ``tick COUNT`` asks so many times what a tick asks that finds nothing; ``advance
COUNT`` makes so many runs due and advances them. Each prints a line of JSON.
"""

import datetime
import json
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

import django

#: When it is, for the chain.
NOW = datetime.datetime(2026, 3, 1, 12, tzinfo=datetime.UTC)
DAY = datetime.timedelta(days=1)

#: So many numbers, as a table.
NUMBERS = {
    "postgresql": "generate_series(1, %(count)s) AS numbers(n)",
    "sqlite": (
        "(WITH RECURSIVE counted(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counted "
        "WHERE n < %(count)s) SELECT n FROM counted) AS numbers"
    ),
}

_SLEEPING = """
    INSERT INTO automation_chains_chainrun
        (chain_id, subject_key, row_model, row_pk, state, entered_at, started_at, next_update,
         problems, number, chain_type, time_zone, steps, is_paused, outcome, requested_by, has_left,
         deaths)
    SELECT %(chain)s, 'asleep-' || n, 'demo.cart', CAST(n AS varchar), 'NEW', %(now)s, %(now)s,
           %(later)s, '{{}}', 1, '', '', 0, {false}, '', '', {false}, 0
    FROM {numbers}
"""


def run(commands: Mapping[str, Callable[[int], dict[str, Any]]]) -> None:
    """Do what the command line says, in a scratch database and in no other one."""
    django.setup()
    from django.conf import settings
    from django.db import connection

    from automation.demo.benchmark.scratch import refuse_any_other

    refuse_any_other(connection)
    settings.DEBUG = False  # with it Django would keep every query in memory
    command, count = sys.argv[1:]
    print(json.dumps(commands[command](int(count))))


def _fill(count: int) -> dict[str, Any]:
    from django.core.management import call_command
    from django.db import connection

    from automation.chains.models import Chain, Transition

    call_command("migrate", verbosity=0)
    chain = Chain.objects.create(slug="cart", name="Cart", source="demo.cart", states=["REMINDED"])
    steps = [("Reminder", ["NEW"], "REMINDED"), ("Enough", ["REMINDED"], "DONE")]
    for position, (name, before, after) in enumerate(steps):
        Transition.objects.create(
            chain=chain, name=name, from_states=before, to_state=after, wait_number=2,
            group_template="cart_reminder", position=position,
        )  # fmt: skip
    chain.arm(NOW)
    prepare = connection.ops.adapt_datetimefield_value
    statement = _SLEEPING.format(
        numbers=NUMBERS[connection.vendor],
        false="0" if connection.vendor == "sqlite" else "false",
    )
    known = {"now": prepare(NOW), "later": prepare(NOW + 300 * DAY)}
    with connection.cursor() as cursor:
        cursor.execute(statement, {"count": count, "chain": chain.pk, **known})
        cursor.execute("VACUUM ANALYZE" if connection.vendor == "postgresql" else "ANALYZE")
    return {"sleeping": count}


def _tick(count: int) -> dict[str, Any]:
    from automation.chains import advancing

    def asked() -> float:
        started = time.perf_counter()
        if advancing.due_chains(NOW).exists():
            raise SystemExit("Nothing should be due.")
        return time.perf_counter() - started

    asked()  # the connection is there now
    plan = advancing.due_chains(NOW).explain()
    seconds = statistics.median(asked() for _time in range(count))
    by_index = "index only scan" in plan.lower() or "covering index" in plan.lower()
    return {"seconds": seconds, "by_index": by_index}


def _advance(count: int) -> dict[str, Any]:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    from automation.chains import advancing, entering
    from automation.chains.deciding import Plan
    from automation.chains.models import Chain
    from automation.demo.models import Cart, Customer

    customer = Customer.objects.create(email="ann@example.com")
    Cart.objects.bulk_create(Cart(customer=customer) for _number in range(count))
    chain = Chain.objects.get()
    rows = [(pk, "", 0) for pk in Cart.objects.values_list("pk", flat=True)]
    entering._insert(Plan(chain), rows, NOW)
    connection.queries_log = type(connection.queries_log)(maxlen=None)
    with CaptureQueriesContext(connection) as queries:
        started = time.perf_counter()
        done = advancing.work(NOW + 2 * DAY, seconds=24 * 3600)[chain]
        seconds = time.perf_counter() - started
    return {"seconds": seconds, "moved": done.moved, "events": done.events, "queries": len(queries)}


if __name__ == "__main__":
    run({"fill": _fill, "tick": _tick, "advance": _advance})
