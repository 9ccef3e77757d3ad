"""What a worker writes to a delivery that it holds: only to that one, and all of it."""

import pytest
from django.db import connection, transaction
from django.forms.models import model_to_dict

from automation.events import Event, owned, record
from automation.events.states import State
from mails.models import Message
from tests import shop

pytestmark = pytest.mark.usefixtures("durable")

NOW = shop.NOW
WRITTEN = {
    "language": "de",
    "subject": "100 % “Größe”; DROP TABLE --",
    "html": "<p>'%s' \\ \n%(x)s</p>",
    "text": "ü" * 5_000,
    "headers": {"From": "Jörg <a@example.com>", "To": '"x" <b@example.com>'},
}


@pytest.fixture
def claimed(db) -> list[Message]:
    shop.mail()
    record((Event("cart_left", str(n), recipient=f"{n}@example.com") for n in range(2)), now=NOW)
    return Message.objects.claim(NOW)


def test_what_is_written_is_what_django_would_write(claimed):
    fast, by_django = claimed
    written = {**WRITTEN, "version": fast.mail.keep_version(), "handed_at": NOW}
    assert owned.write(fast, (State.SENDING,), written)
    Message.objects.filter(pk=by_django.pk).update(**written)
    own = ("id", "event", "recipient")
    rows = [model_to_dict(each) for each in Message.objects.order_by("pk")]
    assert [{name: row[name] for name in row if name not in own} for row in rows[:1]] == [
        {name: row[name] for name in row if name not in own} for row in rows[1:]
    ]
    fast.refresh_from_db()
    assert {name: getattr(fast, name) for name in written} == written


@pytest.mark.parametrize(
    "changed",
    [
        {"token": None},
        {"token": "8c0ce02b-3a0f-4f6a-9f3c-0d3f62ea2a2a"},
        {"state": State.CANCELLED},
        {"lease_until": NOW},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_nothing_is_written_to_what_somebody_else_holds(claimed, changed):
    mine, other = claimed
    Message.objects.filter(pk=mine.pk).update(**changed)
    assert not owned.write(mine, (State.SENDING,), {"subject": "x"}, living_at=NOW)
    assert owned.write(other, (State.SENDING,), {"subject": "y"}, living_at=NOW)
    assert list(Message.objects.order_by("pk").values_list("subject", flat=True)) == ["", "y"]


def test_what_nobody_holds_is_not_written_to(claimed):
    message = claimed[0]
    Message.objects.update(token=None)
    message.refresh_from_db()
    assert not owned.write(message, (State.SENDING,), {"subject": "x"})


def one(sql: str) -> object:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchone()[0]


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_what_was_sent_is_on_the_disk_when_the_next_one_is_handed_over(claimed):
    """An answer does not wait for the disk itself: whatever happens, one is unknown at most."""
    first, second = claimed
    assert first.hand_over(NOW)
    assert first.settle_sent(NOW)
    settled = one("SELECT pg_current_wal_insert_lsn()")
    assert second.hand_over(NOW)
    assert one(f"SELECT pg_current_wal_flush_lsn() >= '{settled}'")


@pytest.mark.postgres
def test_only_an_answer_does_not_wait_for_the_disk(claimed):
    first, second = claimed
    with transaction.atomic():
        assert first.hand_over(NOW)
        assert second.settle_failed("550 No such person")
        assert one("SHOW synchronous_commit") == "on"
        assert first.settle_sent(NOW)
        assert one("SHOW synchronous_commit") == "off"


@pytest.mark.postgres
def test_the_database_compresses_what_was_sent_the_fast_way(db):
    """Else that takes it a third of the time that a message needs in Python."""
    assert one(
        "SELECT array_agg(attname || ' ' || attcompression::text ORDER BY attname) "
        "FROM pg_attribute "
        "WHERE attrelid = 'mails_message'::regclass AND attname IN ('html', 'text')"
    ) == ["html l", "text l"]
