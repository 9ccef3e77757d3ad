"""The limit: statements written by hand that write the same rows as the product does."""

import datetime
import uuid

from django.db import connection

from automation.demo.benchmark.rows import GROUP, NOW
from generators.models import Generator
from mails.models import Mail

# Few customers are old enough, so counting the orders of each is faster on both databases
# than counting all orders in groups: on PostgreSQL 0.45 s against 1.8 s at a million rows.
_ROWS = {
    "postgresql": """
        FROM demo_customer c CROSS JOIN LATERAL
             (SELECT count(*) AS n FROM demo_order WHERE customer_id = c.id) o
        WHERE c.created_at < %(before)s AND n < 2
    """,
    "sqlite": """
        FROM (SELECT c.*, (SELECT count(*) FROM demo_order WHERE customer_id = c.id) AS n
              FROM demo_customer c WHERE c.created_at < %(before)s) c
        WHERE n < 2
    """,
}

_CONTEXT = {
    "postgresql": """jsonb_build_object('person', jsonb_build_object(
        'id', c.id, 'first_name', c.first_name, 'last_name', c.last_name, 'email', c.email,
        'language', c.language, 'country', c.country,
        'birthday', CASE WHEN c.birthday IS NOT NULL
                    THEN jsonb_build_object('$date', c.birthday) END,
        'newsletter', c.newsletter, 'time_zone', c.time_zone,
        'created_at', jsonb_build_object('$datetime',
            to_char(c.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"+00:00"')),
        'order_count', n))""",
    "sqlite": """json_object('person', json_object(
        'id', c.id, 'first_name', c.first_name, 'last_name', c.last_name, 'email', c.email,
        'language', c.language, 'country', c.country,
        'birthday', CASE WHEN c.birthday IS NOT NULL THEN json_object('$date', c.birthday) END,
        'newsletter', json(CASE c.newsletter WHEN 1 THEN 'true' ELSE 'false' END),
        'time_zone', c.time_zone,
        'created_at', json_object('$datetime', replace(c.created_at, ' ', 'T') || '+00:00'),
        'order_count', n))""",
}

_EVENTS = """
    INSERT INTO automation_events_eventrecord
        (key, "group", rule_id, row_model, row_pk, recipient, language, time_zone,
         context, recording, recorded_at)
    SELECT %(prefix)s || c.id, %(group)s, %(rule)s, 'demo.customer', CAST(c.id AS varchar),
           c.email, c.language, c.time_zone, {context}, %(recording)s, %(now)s
    {rows}
    ON CONFLICT DO NOTHING
"""

_EVENTS_ONLY = """
    INSERT INTO automation_events_eventrecord
        (key, "group", row_model, row_pk, recipient, language, time_zone,
         context, recording, recorded_at)
    SELECT %(prefix)s || c.id, %(group)s, '', '', '', '', '', '{{}}', %(recording)s, %(now)s
    {rows}
    ON CONFLICT DO NOTHING
"""

_MESSAGES = """
    INSERT INTO mails_message
        (mail_id, event_id, recipient, uuid, created_at, not_before, state, reason, attempts,
         subject, html, text)
    SELECT %(mail)s, id, recipient, {uuid}, %(now)s, %(now)s, 'queued', '', 0, '', '', ''
    FROM automation_events_eventrecord WHERE recording = %(recording)s
"""
_UUID = {"postgresql": "gen_random_uuid()", "sqlite": "lower(hex(randomblob(16)))"}


def events_and_messages() -> None:
    """All that a run of the generator writes of each row that is new."""
    statement = _EVENTS.format(context=_CONTEXT[connection.vendor], rows=_ROWS[connection.vendor])
    _execute(statement, _MESSAGES.format(uuid=_UUID[connection.vendor]))


def events_only() -> None:
    """Only that a row's event has happened."""
    _execute(_EVENTS_ONLY.format(rows=_ROWS[connection.vendor]))


def _execute(*statements: str) -> None:
    generator, recording = Generator.objects.get(), uuid.uuid4()
    prepare = connection.ops.adapt_datetimefield_value
    parameters = {
        "before": prepare(NOW - datetime.timedelta(days=30)),
        "now": prepare(NOW),
        "prefix": generator.key_prefix(),
        "group": GROUP,
        "rule": generator.pk,
        "mail": Mail.objects.values_list("pk", flat=True).get(),
        "recording": recording.hex if connection.vendor == "sqlite" else recording,
    }
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement, parameters)
