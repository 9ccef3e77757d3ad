"""One process in which all rows of a table come into a chain that was just armed: ``python -m
automation.demo.benchmark.arriving …``.

``fill COUNT`` makes so many open carts in the database of DATABASE_URL; ``limit COUNT`` writes a
run for each by one statement written by hand, and takes them back; ``enter COUNT`` lets them in.
Each prints a line of JSON.
"""

import time
from typing import Any

from automation.demo.benchmark.sleepers import NOW, NUMBERS, run

#: Customers, of whom each has as many carts as the others.
_CUSTOMERS = 1_000

_CARTS = """
    INSERT INTO demo_cart (customer_id, status, total, currency, created_at, updated_at)
    SELECT %(first)s + n %% %(customers)s, 'open', 0, 'CHF', %(now)s, %(now)s FROM {numbers}
"""

_LIMIT = """
    INSERT INTO automation_chains_chainrun
        (chain_id, subject_key, row_model, row_pk, state, entered_at, started_at, next_update,
         problems, number, chain_type, time_zone, steps, is_paused, outcome, requested_by, has_left,
         deaths)
    SELECT %(chain)s, CAST(c.id AS varchar), 'demo.cart', CAST(c.id AS varchar), 'NEW', %(now)s,
           %(now)s, %(now)s, '{{}}', 1, '', p.time_zone, 0, {false}, '', '', {false}, 0
    FROM demo_cart c JOIN demo_customer p ON p.id = c.customer_id WHERE c.status = 'open'
    ON CONFLICT DO NOTHING
"""


def _fill(count: int) -> dict[str, Any]:
    from django.core.management import call_command
    from django.db import connection

    from automation.chains.models import Chain, Entry, Transition
    from automation.demo.models import Customer
    from automation.rules.definitions import read_condition
    from automation.rules.sources import sources

    call_command("migrate", verbosity=0)
    zones = ("Europe/Zurich", "America/New_York", "Asia/Kathmandu", "")
    Customer.objects.bulk_create(
        Customer(email=f"{number}@example.com", time_zone=zones[number % len(zones)])
        for number in range(_CUSTOMERS)
    )
    first = Customer.objects.order_by("pk")[0].pk
    known = {"count": count, "first": first, "customers": _CUSTOMERS, "now": _moment()}
    with connection.cursor() as cursor:
        cursor.execute(_CARTS.format(numbers=NUMBERS[connection.vendor]), known)
    chain = Chain.objects.create(slug="cart", name="Cart", source="demo.cart")
    Transition.objects.create(chain=chain, name="Enough", from_states=["NEW"], to_state="DONE",
                              wait_number=2)  # fmt: skip
    line = {"field": "status", "operator": "field.one_of", "value": "open"}
    condition = read_condition(sources.get(chain.source), **line)
    condition.rule = Entry.objects.create(chain=chain)
    condition.save()
    chain.arm(NOW)
    _tidy()
    return {"rows": count}


def _limit(count: int) -> dict[str, Any]:
    from django.db import connection, transaction

    from automation.chains.models import Chain, ChainRun

    chain = Chain.objects.get()
    false = "0" if connection.vendor == "sqlite" else "false"
    with connection.cursor() as cursor:
        started = time.perf_counter()
        with transaction.atomic():
            cursor.execute(_LIMIT.format(false=false), {"chain": chain.pk, "now": _moment()})
        seconds = time.perf_counter() - started
        written = ChainRun.objects.count()
        cursor.execute("DELETE FROM automation_chains_chainrun")
    _tidy()
    return {"seconds": seconds, "new": written}


def _enter(count: int) -> dict[str, Any]:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    from automation.chains import entering
    from automation.chains.models import Chain

    connection.queries_log = type(connection.queries_log)(maxlen=None)
    with CaptureQueriesContext(connection) as queries:
        started = time.perf_counter()
        entered = entering.enter(Chain.objects.get(), NOW)
        seconds = time.perf_counter() - started
    if entered is None or entered.error:
        raise SystemExit(f"Nobody came in: {entered and entered.error}")
    return {"seconds": seconds, "new": entered.new, "queries": len(queries)}


def _moment() -> Any:
    from django.db import connection

    return connection.ops.adapt_datetimefield_value(NOW)


def _tidy() -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE" if connection.vendor == "postgresql" else "ANALYZE")


if __name__ == "__main__":
    run({"fill": _fill, "limit": _limit, "enter": _enter})
