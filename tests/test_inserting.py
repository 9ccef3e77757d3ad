"""Rows arrive as they were given, however they travel to the database."""

import uuid

import pytest

from automation.events.inserting import insert_rows
from automation.events.models import EventRecord
from tests.shop import NOW

pytestmark = pytest.mark.django_db

CONSTANTS = {"recording": uuid.uuid4(), "recorded_at": NOW, "language": "", "time_zone": ""}
COLUMNS = ("key", "group", "context", "recipient", "row_model", "row_pk", "rule_id")

TEXTS = [
    "plain",
    "",
    "a\\b\\",
    'said "yes"',
    "it's",
    "{1,2}",
    "a,b",
    "NULL",
    "%s %(name)s %%",
    "two\nlines\ttab",
    "Zoë 🎈",
]


def insert(rows):
    return insert_rows(EventRecord, COLUMNS, rows, CONSTANTS)


def row(key, text=""):
    return (key, "group", {"text": text}, text, text, text, None)


def test_text_arrives_as_it_was():
    assert insert([row(str(index), text) for index, text in enumerate(TEXTS)]) == len(TEXTS)
    found = EventRecord.objects.order_by("pk")
    assert [(event.recipient, event.row_pk) for event in found] == [(text, text) for text in TEXTS]
    assert [event.context for event in found] == [{"text": text} for text in TEXTS]
    assert {(event.recorded_at, event.rule_id) for event in found} == {(NOW, None)}


def test_many_rows_are_all_inserted_and_known_ones_left_out():
    assert insert(row(str(number)) for number in range(1_200)) == 1_200
    assert insert(row(str(number)) for number in range(1_000, 1_201)) == 1
    assert EventRecord.objects.count() == 1_201
    assert insert([]) == 0


def test_a_row_without_all_its_values_is_refused():
    with pytest.raises(ValueError, match="argument 2 is"):
        insert([row("1")[:-1]])


@pytest.mark.postgres
def test_a_text_that_postgresql_cannot_hold_is_refused():
    with pytest.raises(ValueError, match="NUL"):
        insert([row("1", "a\0b")])
