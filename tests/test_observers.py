"""Observers: methods that are called when rows are created, updated and deleted."""

import re
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import IntegrityError, connection, transaction

from automation.demo.models import Order
from automation.events import ModelEvent, Observer, dispatch, listen, register, register_signals_for
from automation.events.model_signals import HAPPENINGS
from automation.events.models import EventRecord
from tests.observed import (
    INSERT,
    UPDATE,
    Country,
    Dated,
    Everything,
    Note,
    Tag,
    follow,
    fresh,
    happenings,
    heard,
    tables,
)

__all__ = ["fresh", "tables"]

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("tables")]


# What happens to a row ----------------------------------------------------------------------


@pytest.mark.sqlite_only
def test_each_method_is_called_with_the_row_that_it_happens_to():
    follow(Note)
    note = Note.objects.create(text="a")
    note.text = "b"
    note.save()
    note.delete()
    assert heard == [(name, note) for name in HAPPENINGS]


@pytest.mark.sqlite_only
def test_a_new_row_is_not_there_yet_when_it_is_being_created_and_what_is_set_is_saved():
    @register
    class Numbering(Observer):
        observes = Note

        def creating(self, event, note):
            heard.append((event.row_pk, Note.objects.count()))
            note.text = f"No. {Note.objects.count() + 1}"

        def created(self, event, note):
            heard.append((event.row_pk, Note.objects.count()))

        def deleted(self, event, note):
            heard.append((event.row_pk, note.pk))

    note = Note.objects.create()
    pk = note.pk
    note.delete()
    assert heard == [("", 0), (str(pk), 1), (str(pk), pk)]
    assert note.text == "No. 1"


@pytest.mark.sqlite_only
def test_an_event_knows_its_row_its_database_and_what_saving_was_limited_to():
    events: list[ModelEvent] = []

    @register
    class Keeping(Observer):
        observes = Note

        def updated(self, event, note):
            events.append(event)

    note = Note.objects.create()
    note.save(update_fields=["text"])
    (event,) = events
    assert event.group == "events::db::tests::observed::Note::updated"
    assert (event.row_model, event.row_pk) == ("tests.note", str(note.pk))
    assert (event.using, event.update_fields) == ("default", frozenset({"text"}))


@pytest.mark.sqlite_only
def test_only_the_methods_that_are_there_are_called():
    @register
    class Deleted(Observer):
        observes = Note

        def deleted(self, event, note):
            heard.append("deleted")

    Note.objects.create().delete()
    assert heard == ["deleted"]


@pytest.mark.sqlite_only
def test_each_observer_has_an_instance_of_its_own():
    class Counting(Observer):
        def __init__(self):
            self.rows = 0

        def created(self, event, note):
            self.rows += 1
            heard.append((type(self).__name__, self.rows))

    for name in ("First", "Second"):
        register(type(name, (Counting,), {"observes": [Note]}))
    Note.objects.create()
    Note.objects.create()
    assert heard == [("First", 1), ("Second", 1), ("First", 2), ("Second", 2)]


@pytest.mark.sqlite_only
def test_registering_again_calls_no_method_twice():
    class Once(Everything):
        observes = (Note, "demo.Order", Note)

    register(register(Once))
    Note.objects.create()
    assert happenings() == INSERT


@pytest.mark.sqlite_only
def test_an_observer_that_is_not_registered_does_nothing():
    class Idle(Everything):
        observes = Note

    Note.objects.create()
    assert heard == []


@pytest.mark.sqlite_only
def test_several_models_and_names_of_models_are_observed():
    class Both(Everything):
        observes = [Note, Tag]

    class Named(Everything):
        observes = "demo.order"

    register(Both)
    register(Named)
    note, tag, order = Note.objects.create(), Tag.objects.create(), Order(number="x")
    with pytest.raises(IntegrityError), transaction.atomic():
        order.save()
    assert heard == [
        ("creating", note), ("created", note), ("creating", tag), ("created", tag),
        ("creating", order),
    ]  # fmt: skip


# Nothing is left behind ---------------------------------------------------------------------


@pytest.mark.sqlite_only
def test_saves_within_saves_are_told_each_for_itself():
    @register
    class Nesting(Everything):
        observes = [Country]

        def creating(self, event, country):
            super().creating(event, country.code)
            if country.code == "CH":
                Country(code="LI").save()

        def created(self, event, country):
            super().created(event, country.code)

    Country(code="CH").save()
    assert heard == [("creating", "CH"), ("creating", "LI"), ("created", "LI"), ("created", "CH")]


@pytest.mark.sqlite_only
def test_a_save_that_failed_changes_nothing_about_the_next_one():
    follow(Country)
    country = Country(code="CH", name=None)
    for _ in range(2):
        with pytest.raises(IntegrityError), transaction.atomic():
            country.save()
        assert happenings() == ["creating"]
    country.name = "Schweiz"
    country.save()
    assert happenings() == INSERT


# Errors -------------------------------------------------------------------------------------


class Failing(Observer):
    observes = [Country]

    def creating(self, event, country):
        if country.code == "CH":
            Country.objects.create(code="XX")
            raise LookupError("creating fails")

    def updated(self, event, country):
        # On PostgreSQL nothing can be asked in a transaction after an error.
        with connection.cursor() as cursor:
            cursor.execute("SELECT no_such_column FROM tests_country")


def test_a_method_that_fails_is_logged_and_never_breaks_the_save(caplog):
    register(Failing)
    follow(Country)
    with transaction.atomic():
        country = Country.objects.create(code="CH")
        country.save()
        assert list(Country.objects.values_list("code", flat=True)) == ["CH"]  # nothing half done
    assert [record.getMessage() for record in caplog.records] == [
        "The listener tests.test_observers.Failing.creating failed on "
        "events::db::tests::observed::Country::creating",
        "The listener tests.test_observers.Failing.updated failed on "
        "events::db::tests::observed::Country::updated",
    ]
    # What the failing method saved was told to the others before.
    assert [name for name, row in heard if row.code == "CH"] == INSERT + UPDATE


@pytest.mark.sqlite_only
def test_what_a_method_returned_is_in_the_answers_of_who_dispatches_by_hand():
    @register
    class Answering(Observer):
        observes = Note

        def created(self, event, note):
            return note.pk

    note = Note.objects.create()
    (answer,) = dispatch("events::db::tests::observed::Note::created", note)
    assert (answer.result, repr(answer.listener)) == (
        note.pk,
        f"<{__name__}.{Answering.__qualname__}.created>",
    )


MISUSES: list[tuple[dict[str, Any], str]] = [
    ({}, "write what it observes, such as observes = Order or observes = ["),
    ({"observes": []}, "write what it observes"),
    ({"observes": Dated}, "tests.observed.Dated is abstract and has no rows."),
    ({"observes": ["demo.Ordre"]}, "there is no model 'demo.Ordre'. Did you mean 'demo.Order'?"),
    ({"observes": "Order"}, "there is no model 'Order'."),
    ({"observes": int}, "<class 'int'> is no model. Give a model class, or its name as"),
    ({"observes": [7]}, "7 is no model."),
    ({"observes": Note.tags.through}, "Use from_signal(m2m_changed, …)."),
]


async def wait(self, event, instance): ...


def with_stock(self, stock): ...


@pytest.mark.sqlite_only
@pytest.mark.parametrize(("wrong", "said"), MISUSES, ids=lambda each: str(each)[:30])
def test_what_cannot_be_observed_is_refused(wrong, said):
    observer = type("Wrong", (Everything,), wrong)
    with pytest.raises(ImproperlyConfigured, match=f"Wrong: .*{re.escape(said)}"):
        register(observer)
    assert observer not in Observer.registered


@pytest.mark.sqlite_only
@pytest.mark.parametrize(
    ("methods", "said"),
    [
        ({}, "Wrong has none of the methods creating, created, updating, updated, deleting and "
             "deleted."),
        ({"create": len}, "Did you mean 'created' with 'create'?"),
        ({"created": wait}, "Wrong.created is asynchronous, and nobody would wait for it."),
        ({"created": lambda self, note: None}, "write def created(self, event, instance)."),
        ({"created": len, "__init__": with_stock}, "Wrong cannot be made without arguments: "),
    ],
)  # fmt: skip
def test_methods_that_nobody_could_call_are_refused(methods, said):
    with pytest.raises(ImproperlyConfigured, match=re.escape(said)):
        register(type("Wrong", (Observer,), {"observes": Note, **methods}))
    Note.objects.create()
    assert heard == []


# Signals of models as events ----------------------------------------------------------------


@pytest.mark.sqlite_only
def test_a_listener_hears_the_rows_of_every_registered_model():
    register_signals_for(Note, "demo.Order")
    register_signals_for(Note)
    follow(Tag)

    @listen("events::db::.*::created")
    def hear(event, instance):
        heard.append((event.group, instance))

    note, tag = Note.objects.create(), Tag.objects.create()
    Country.objects.create(code="CH")  # nobody follows these
    assert heard == [
        ("events::db::tests::observed::Note::created", note),
        ("creating", tag),
        ("created", tag),
        ("events::db::tests::observed::Tag::created", tag),
    ]
    assert not EventRecord.objects.exists()


@pytest.mark.sqlite_only
def test_all_models_are_registered_or_none():
    with pytest.raises(ImproperlyConfigured, match="register_signals_for: there is no model 'x.Y'"):
        register_signals_for(Note, "x.Y")
    with listening_to_all():
        Note.objects.create()
    assert heard == []


def listening_to_all() -> Any:
    from automation.events.dispatch import listeners

    return listeners.registered(".*", lambda event, *rest: heard.append(event.group))


@pytest.mark.sqlite_only
def test_what_sends_no_signals_makes_no_events():
    register_signals_for(Note)
    with listening_to_all():
        Note.objects.bulk_create([Note(), Note()])
        Note.objects.update(text="x")
        assert heard == []
        Note.objects.all().delete()  # these do
    assert [each.rpartition("::")[2] for each in heard] == [
        "deleting", "deleting", "deleted", "deleted",
    ]  # fmt: skip
