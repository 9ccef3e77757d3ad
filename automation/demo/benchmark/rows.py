"""The rows that are measured on, and the rule that is asked of them.

The rule: customers for more than 30 days with fewer than 2 orders. About one in ten matches.
"""

import datetime
from random import Random

from django.db import connection
from django.db.models import Count

from automation.demo.models import Customer
from automation.rules.definitions import read_condition
from automation.rules.sources import Source, sources
from generators.models import Generator
from mails.models import Mail

#: When the rule is asked. All rows are placed around it, so that every run is the same.
NOW = datetime.datetime(2026, 3, 10, 12, 0, tzinfo=datetime.UTC)

GROUP = "customer_lost"

FIELDS = (
    "first_name",
    "last_name",
    "email",
    "language",
    "country",
    "birthday",
    "newsletter",
    "time_zone",
    "created_at",
)

#: A source without related lists: what one statement can write too.
SOURCE = Source(
    Customer,
    name="person",
    fields=FIELDS,
    annotations={"order_count": Count("orders")},
    recipient="email",
    language="language",
    time_zone="time_zone",
)

_SEED = 2026

# Both databases draw from a generator that is seeded; SQLite has none, so it gets Python's.
_SQL = {
    "postgresql": {
        "below": "floor(random() * {0})::int",
        "rows": "generate_series(1, {0}) AS r(i)",
        "moment": "TIMESTAMPTZ '2026-03-10 12:00Z' - {0} * INTERVAL '1 second'",
        "day": "DATE '1950-01-01' + {0}",
    },
    "sqlite": {
        "below": "CAST(seeded_random() * {0} AS integer)",
        "rows": "(WITH RECURSIVE r(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM r WHERE i < {0})"
        " SELECT i FROM r)",
        "moment": "datetime('2026-03-10 12:00', '-' || {0} || ' seconds')",
        "day": "date('1950-01-01', '+' || {0} || ' days')",
    },
}

# 13.3 % joined more than 30 days ago, and 74 % of those have fewer than 2 orders.
_CUSTOMERS = """
    INSERT INTO demo_customer (email, first_name, last_name, language, country, time_zone,
                               birthday, newsletter, created_at)
    SELECT 'person' || i || '@example.com',
           CASE {below_6} WHEN 0 THEN 'Anna' WHEN 1 THEN 'Jürg' WHEN 2 THEN 'Zoë'
                          WHEN 3 THEN 'Luca "Lu"' WHEN 4 THEN 'Ayşe' ELSE '' END,
           CASE {below_3} WHEN 0 THEN 'Meier' WHEN 1 THEN 'O''Brien' ELSE 'Müller' END,
           CASE {below_2} WHEN 0 THEN 'en' ELSE 'de' END,
           CASE {below_3} WHEN 0 THEN 'CH' WHEN 1 THEN 'DE' ELSE 'AT' END,
           'Europe/Zurich',
           CASE {below_10} WHEN 0 THEN NULL ELSE {birthday} END,
           {below_2} = 0,
           {joined}
    FROM {rows}
"""
_ORDERS = """
    INSERT INTO demo_order (customer_id, number, status, total, currency, created_at,
                            tracking_url)
    SELECT (SELECT min(id) FROM demo_customer) + {customer}, 'R-' || i,
           CASE {below_2} WHEN 0 THEN 'paid' ELSE 'open' END,
           5 + {below_500}, 'CHF', {ordered}, ''
    FROM {rows}
"""


def fill(count: int) -> None:
    """``count`` customers and as many orders, each of a random customer. The tables must be
    empty."""
    sql = _SQL[connection.vendor]
    below, moment = sql["below"].format, sql["moment"].format
    parts = {f"below_{number}": below(number) for number in (2, 3, 6, 10, 500)}
    parts |= {
        "rows": sql["rows"].format(count),
        "customer": below(count),
        "birthday": sql["day"].format(below(20_000)),
        "joined": moment(below(int(34.6 * 24 * 3600))),
        "ordered": moment(below(300 * 24 * 3600)),
    }
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            connection.connection.create_function("seeded_random", 0, Random(_SEED).random)
        else:
            cursor.execute("SELECT setseed(0.2026)")
        for statement in (_CUSTOMERS, _ORDERS):
            cursor.execute(statement.format(**parts))
        cursor.execute("ANALYZE")


def make_rule() -> Generator:
    """The rule as a generator that runs, and a mail on its events."""
    generator = Generator.objects.create(
        name="Lost customers", slug="lost-customers", source=SOURCE.key, group_template=GROUP
    )
    asked = [
        ("created_at", "relative_date.more_than_ago", "30 days"),
        ("order_count", "field.less", "2"),
    ]
    for position, (field, operator, value) in enumerate(asked):
        condition = read_condition(
            SOURCE, field=field, operator=operator, value=value, joined_by="and"
        )
        condition.rule, condition.position = generator, position
        condition.save()
    generator.arm(NOW)
    Mail.objects.create(
        name="We miss you",
        slug="we-miss-you",
        group=GROUP,
        subject="{{ person.first_name }}, we miss you",
        body="<p>Dear {{ person.first_name }}</p>",
        is_active=True,
    )
    return generator


def open_source() -> None:
    """Register the source in this process."""
    if SOURCE.key not in dict(sources.choices()):
        sources.register(SOURCE)
