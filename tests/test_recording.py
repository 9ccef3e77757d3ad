"""An event's key is recorded once, ever, together with what it causes."""

import uuid

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from automation.events import Event, listen, record
from automation.events.dispatch import listeners
from automation.events.event import KEY_LENGTH, stored_key
from automation.events.models import Action, EventRecord
from automation.events.recording import Writer
from mails.models import Mail, Message
from tests import shop

pytestmark = pytest.mark.django_db


def events(*keys: str, group: str = "cart_left", recipient: str = "ann@example.com") -> list[Event]:
    context = {"cart": {"customer": {"first_name": "Ann"}, "items": []}}
    return [Event(group, key, context, recipient=recipient) for key in keys]


def test_only_new_events_are_recorded():
    assert record(events("a", "b")).new == 2
    again = record(events("b", "c"))
    assert (again.seen, again.new) == (2, 1)
    assert [event.key for event in again] == ["c"]
    assert sorted(EventRecord.objects.values_list("key", flat=True)) == ["a", "b", "c"]


def test_the_same_key_twice_in_one_call_is_recorded_once_and_the_first_counts():
    first, second = events("a")[0], events("a", group="other")[0]
    assert record([first, second]).new == 1
    assert EventRecord.objects.get().group == "cart_left"


def test_recording_again_writes_nothing():
    record(events("a", "b"))
    with CaptureQueriesContext(
        connection,
    ) as queries:
        record(events("a", "b"))
    assert [q["sql"] for q in queries if q["sql"].startswith("INSERT")] == []


def test_queries_do_not_grow_with_the_events():
    shop.mail()

    def count(number: int) -> int:
        keys = [uuid.uuid4().hex for _ in range(number)]
        with CaptureQueriesContext(connection) as queries:
            assert record(events(*keys)).new == number
        return len(queries)

    count(1)
    assert count(400) == count(2)


def test_chunks_are_transactions_of_their_own(settings):
    settings.AUTOMATION = {"RECORD_CHUNK": 2}

    def broken():
        yield from events("a", "b", "c")
        raise RuntimeError("the source broke")

    with pytest.raises(RuntimeError):
        record(broken())
    assert sorted(EventRecord.objects.values_list("key", flat=True)) == ["a", "b"]


def test_deliveries_are_written_in_the_transaction_of_the_event():
    mail = shop.mail()
    with pytest.raises(RuntimeError), transaction.atomic():
        record(events("a"))
        raise RuntimeError("the request failed")
    assert (EventRecord.objects.count(), Message.objects.count()) == (0, 0)
    record(events("a"))
    message = Message.objects.get()
    assert (message.mail, message.event.key, message.recipient, message.state) == (
        mail, "a", "ann@example.com", "queued",
    )  # fmt: skip


@pytest.mark.django_db(transaction=True)
def test_an_event_whose_deliveries_fail_is_not_recorded_either(monkeypatch):
    shop.mail()

    def fail(mail: Mail, event: Event) -> list[str]:
        raise RuntimeError("the action broke")

    monkeypatch.setattr(Mail, "recipients", fail)
    with pytest.raises(RuntimeError, match="the action broke"):
        record(events("a"))
    assert EventRecord.objects.count() == 0
    monkeypatch.undo()
    assert record(events("a")).new == Message.objects.count() == 1


def test_a_group_with_blanks_around_it_reaches_its_mails():
    shop.mail()
    record(events("a", group=" cart_left "))
    assert Message.objects.get().event.group == "cart_left"


def test_an_address_that_cannot_be_stored_does_not_stop_the_rest():
    shop.mail()
    for number, address in enumerate(["a\x00@example.com", "\ud800@example.com", "a" * 400]):
        assert record(events(str(number), recipient=address)).new == 1
    assert list(Message.objects.order_by("pk").values_list("recipient", flat=True)) == [
        "a\ufffd@example.com", "\ufffd@example.com", "",
    ]  # fmt: skip


def test_only_active_actions_that_hear_the_group_are_reached():
    shop.mail(group="cart_*")
    shop.mail(group="cart_left", is_active=False)
    shop.mail(group="cart")
    record(events("a"))
    assert [message.mail.group for message in Message.objects.all()] == ["cart_*"]


def test_a_star_in_a_pattern_stands_for_anything_and_all_else_for_itself():
    hears = Action(group="cart.*_ch").hears
    groups = ("cart.left_ch", "cartXleft_ch", "cart._ch", "cart.left")
    assert [hears(group) for group in groups] == [True, False, True, False]


def test_one_delivery_for_an_event_action_and_address():
    mail = shop.mail()
    record(events("a"))
    event = EventRecord.objects.get()
    with transaction.atomic():
        Message.enqueue(mail.pk, [(event.pk, "ann@example.com")], shop.NOW)
    assert Message.objects.count() == 1
    with pytest.raises(IntegrityError), transaction.atomic():
        Message.objects.create(
            event=event, mail=mail, recipient="ann@example.com",
            created_at=shop.NOW, not_before=shop.NOW,
        )  # fmt: skip


def test_keys_longer_than_the_column_stay_unique():
    long, longer = "k" * 300, "k" * 301
    assert record(events(long, longer)).new == 2
    assert record(events(long, longer)).new == 0
    assert len(stored_key(long)) == KEY_LENGTH


def test_an_event_needs_a_key_and_a_group():
    with pytest.raises(ValueError, match="needs a key"):
        record(events(""))
    with pytest.raises(ValueError, match="1 to 100 characters; this one has 0"):
        record(events("a", group="  "))
    assert EventRecord.objects.count() == 0


def test_strange_text_is_recorded_without_what_no_database_can_store():
    strange = "Ann\x00\ud800\r\n\x0b‮🙂"
    record([Event("g", "k\x00", {"name": strange}, recipient="a\x00@example.com")])
    event = EventRecord.objects.get()
    assert event.key == "k\ufffd"
    assert event.context == {"name": "Ann\ufffd\ufffd\r\n\x0b‮🙂"}


@pytest.mark.django_db(transaction=True)
def test_listeners_are_called_after_the_commit_once_for_each_new_event():
    heard: list[tuple[str, bool]] = []

    def note(event: Event) -> None:
        heard.append((event.key, connection.in_atomic_block))

    with listeners.registered("cart_.*", note):
        with transaction.atomic():
            record(events("a"))
            assert heard == []
        record(events("a", "b"))
        record(events("c", group="my_cart_left"))
    assert heard == [("a", False), ("b", False)]


def test_a_failing_listener_stops_nothing(caplog, django_capture_on_commit_callbacks):
    def fail(event: Event) -> None:
        raise RuntimeError("broken")

    with listeners.registered("cart_left", fail), django_capture_on_commit_callbacks(execute=True):
        assert record(events("a")).new == 1
    assert "broken" in caplog.text


def test_listen_registers_what_it_decorates():
    before = list(listeners._registrations)
    try:

        @listen("cart_left")
        def note(event: Event) -> None: ...

        assert listeners.hearing("cart_left") == [note]
        assert listeners.hearing("cart_left_again") == []
    finally:
        listeners._registrations = before


def test_a_writer_that_was_told_a_wrong_thing_still_records_once():
    record(events("a"))
    writer = Writer(now=shop.NOW, known_new=True)
    assert writer.write(events("a", "b")) == 1
    assert EventRecord.objects.count() == 2
