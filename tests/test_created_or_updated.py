"""Whether a row is created or updated, whatever its key is and however it is saved."""

import uuid

import pytest
from django.core.serializers.base import DeserializedObject
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.observed import (
    INSERT,
    UPDATE,
    Country,
    Note,
    OldNote,
    Place,
    Restaurant,
    Ticket,
    VipTicket,
    follow,
    fresh,
    happenings,
    tables,
)

__all__ = ["fresh", "tables"]

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("tables")]


def statements(queries: CaptureQueriesContext) -> list[str]:
    """Without those that keep a method's errors apart."""
    found = [query["sql"].split()[0] for query in queries.captured_queries]
    return [each for each in found if each not in ("SAVEPOINT", "RELEASE")]


@pytest.mark.sqlite_only
def test_a_key_that_the_database_gives():
    follow(Note)
    note = Note()
    with CaptureQueriesContext(connection) as queries:
        note.save()
        assert happenings() == INSERT
        note.save()
        assert happenings() == UPDATE
    assert statements(queries) == ["INSERT", "UPDATE"]  # nothing is asked
    note.pk = None  # Django's way to copy a row
    note.save()
    assert happenings() == INSERT


@pytest.mark.sqlite_only
@pytest.mark.parametrize("values", [{}, {"id": uuid.uuid4()}], ids=["default", "explicit"])
def test_a_uuid_is_there_before_the_row_is(values):
    follow(Ticket)
    with CaptureQueriesContext(connection) as queries:
        ticket = Ticket(**values)
        assert ticket.pk is not None
        ticket.save()
        assert happenings() == INSERT
        ticket.save()
        assert happenings() == UPDATE
        Ticket.objects.get().save(update_fields=["text"])
        assert happenings() == UPDATE
    assert statements(queries) == ["INSERT", "UPDATE", "SELECT", "UPDATE"]


@pytest.mark.sqlite_only
def test_a_natural_key_may_be_there_already_and_only_then_the_database_is_asked():
    follow(Country)
    with CaptureQueriesContext(connection) as queries:
        Country(code="CH", name="Suisse").save()
        assert happenings() == INSERT
    # Ours asks, Django tries to update, and inserts.
    assert statements(queries) == ["SELECT", "UPDATE", "INSERT"]
    with CaptureQueriesContext(connection) as queries:
        Country(code="CH", name="Schweiz").save()  # a new instance, an old row
        assert happenings() == UPDATE
    assert statements(queries) == ["SELECT", "UPDATE"]
    country = Country.objects.get()
    with CaptureQueriesContext(connection) as queries:
        country.save()
        country.save(update_fields=["name"])
        assert happenings() == UPDATE + UPDATE
        Country.objects.create(code="DE")  # with force_insert
        assert happenings() == INSERT
    assert statements(queries) == ["UPDATE", "UPDATE", "SELECT", "INSERT"]
    with CaptureQueriesContext(connection) as queries:
        Country(code="CH", name="Svizra").save(update_fields=["name"])
        assert happenings() == UPDATE
    assert statements(queries) == ["UPDATE"]


@pytest.mark.sqlite_only
def test_a_child_of_another_model_is_created_beside_a_parent_that_is_there():
    follow(Restaurant)
    place = Place.objects.create(name="Krone")
    restaurant = Restaurant(place_ptr=place, name="Krone")
    restaurant.save()
    assert happenings() == INSERT
    restaurant.save()
    Restaurant(place_ptr=place, name="Zur Krone").save()
    Restaurant(id=place.pk, name="Krone").save()
    assert happenings() == UPDATE * 3
    Restaurant(id=place.pk + 1).save()
    Restaurant().save()
    assert happenings() == INSERT * 2
    restaurant.pk = None  # Django takes the key from the parent again
    restaurant.save()
    assert happenings() == UPDATE


@pytest.mark.sqlite_only
def test_a_child_has_the_default_of_its_parents_key():
    follow(VipTicket)
    with CaptureQueriesContext(connection) as queries:
        VipTicket(id=uuid.uuid4()).save()
        VipTicket.objects.get().save()
        assert happenings() == INSERT + UPDATE
    assert [each for each in statements(queries) if each == "SELECT"] == ["SELECT"]  # get()


@pytest.mark.sqlite_only
def test_a_row_that_is_saved_through_a_proxy_is_a_row_of_its_model():
    follow(Note)
    OldNote.objects.create().delete()
    assert happenings() == [*INSERT, "deleting", "deleted"]


@pytest.mark.sqlite_only
def test_an_observer_of_a_proxy_hears_only_what_happens_through_it():
    follow(OldNote)
    Note.objects.create()
    assert happenings() == []
    OldNote.objects.create()
    assert happenings() == INSERT


@pytest.mark.sqlite_only
def test_an_observer_of_a_model_and_its_proxy_hears_once():
    follow(OldNote, Note)
    OldNote.objects.create()
    assert happenings() == INSERT


@pytest.mark.sqlite_only
def test_loading_a_fixture_is_no_event():
    follow(Note)
    DeserializedObject(Note(pk=7)).save()  # as loaddata does
    assert (happenings(), Note.objects.count()) == ([], 1)


@pytest.mark.sqlite_only
def test_what_can_be_no_key_fails_where_it_would_fail_without_an_observer():
    follow(Note)
    with pytest.raises(ValueError, match="Field 'id' expected a number but got 'seven'"):
        Note(pk="seven").save()
    assert happenings() == ["creating"]
