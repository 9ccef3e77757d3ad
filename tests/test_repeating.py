"""How often a row becomes an event."""

import datetime
import zoneinfo

import pytest
from django.core.exceptions import ValidationError
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from automation.demo.models import Cart, Customer
from automation.events.event import KEY_LENGTH, stored_key
from automation.events.models import EventRecord
from generators import repeating, running
from generators.models import Generator, Presence, Run
from tests import shop
from tests.test_running import inserted

pytestmark = pytest.mark.django_db

NOW = shop.NOW
DAY = datetime.timedelta(days=1)
SECOND = datetime.timedelta(seconds=1)
IS_OPEN = ("status", "field.one_of", "open")


def new(generator: Generator, now: datetime.datetime = NOW) -> int:
    outcome = running.run(generator, now)
    assert outcome is not None
    assert outcome.error == ""
    return outcome.new


def keys() -> list[str]:
    """The keys of all events without their generator's number."""
    found = EventRecord.objects.order_by("pk").values_list("key", flat=True)
    return [key.split(":", 2)[2] for key in found]


def while_a_run_is_on_its_way(monkeypatch, do, *, before: bool) -> None:
    """Let ``do`` happen once, just before or after a run reads the values of its rows."""
    snapshots = running.snapshots

    def then(*args):
        monkeypatch.undo()
        if before:
            do()
        found = list(snapshots(*args))
        if not before:
            do()
        return found

    monkeypatch.setattr(running, "snapshots", then)


def test_a_daily_event_comes_once_in_a_day_with_an_hour_twice():
    zurich = zoneinfo.ZoneInfo("Europe/Zurich")
    shop.cart(days_old=300)
    generator = shop.generator(repeat="day", time_zone="Europe/Zurich")
    seen = [
        running.run(generator, datetime.datetime(2026, 10, 25, 2, 30, fold=fold, tzinfo=zurich)).new
        for fold in (0, 1)
    ]
    assert seen == [1, 0]


# Again after N days ---------------------------------------------------------------------------


def test_the_next_event_comes_after_so_many_days():
    cart = shop.cart()
    generator = shop.generator(repeat="after", repeat_days=7)
    seen = [new(generator, NOW + days * DAY) for days in (0, 1, 6, 7, 8, 13, 14, 40)]
    assert seen == [1, 0, 0, 1, 0, 0, 1, 1]
    first, second, third, _fourth = EventRecord.objects.order_by("pk")
    assert keys() == [
        f"{cart.pk}:after-0",
        f"{cart.pk}:after-{first.pk}",
        f"{cart.pk}:after-{second.pk}",
        f"{cart.pk}:after-{third.pk}",
    ]


def test_whole_days_count_so_a_run_a_second_earlier_in_its_day_is_not_early():
    shop.cart()
    generator = shop.generator(repeat="after", repeat_days=7)
    assert new(generator) == 1
    assert new(generator, NOW + 7 * DAY - SECOND) == 1


@pytest.mark.parametrize(
    ("zone", "due"), [("UTC", False), ("Pacific/Kiritimati", True), ("America/New_York", False)]
)
def test_days_begin_where_the_rule_lives(zone, due):
    """An event at 09:00 UTC and a look at 11:00 UTC, an hour after midnight in Kiritimati."""
    shop.cart()
    generator = shop.generator(repeat="after", repeat_days=1, time_zone=zone)
    assert new(generator, NOW.replace(hour=9)) == 1
    assert new(generator, NOW.replace(hour=11)) == due


def test_a_day_of_25_hours_is_one_day():
    zurich = zoneinfo.ZoneInfo("Europe/Zurich")
    shop.cart(days_old=300)
    generator = shop.generator(repeat="after", repeat_days=1, time_zone="Europe/Zurich")
    seen = [
        new(generator, datetime.datetime(2026, 10, 25, hour, 30, fold=fold, tzinfo=zurich))
        for hour, fold in ((0, 0), (2, 0), (2, 1), (23, 0))
    ]
    assert seen == [1, 0, 0, 0]


def test_a_row_that_does_not_match_then_makes_its_next_event_when_it_does():
    cart = shop.cart()
    generator = shop.generator(IS_OPEN, repeat="after", repeat_days=7)
    assert new(generator) == 1
    Cart.objects.filter(pk=cart.pk).update(status="ordered")
    assert new(generator, NOW + 8 * DAY) == 0
    Cart.objects.filter(pk=cart.pk).update(status="open")
    assert new(generator, NOW + 9 * DAY) == 1


def test_what_another_generator_made_does_not_count():
    shop.cart()
    one, other = (shop.generator(repeat="after", repeat_days=7) for _each in range(2))
    assert (new(one), new(other, NOW + DAY)) == (1, 1)
    assert (new(one, NOW + 7 * DAY), new(other, NOW + 7 * DAY)) == (1, 0)


def test_what_it_made_before_it_was_repeated_counts():
    shop.cart()
    generator = shop.generator()
    assert new(generator) == 1
    generator.repeat, generator.repeat_days = "after", 7
    generator.save()
    assert (new(generator, NOW + 6 * DAY), new(generator, NOW + 7 * DAY)) == (0, 1)


def test_an_event_that_was_removed_since_leaves_no_gap():
    shop.cart()
    generator = shop.generator(repeat="after", repeat_days=7)
    for week in range(3):
        assert new(generator, NOW + 7 * week * DAY) == 1
    EventRecord.objects.earliest("pk").delete()
    assert new(generator, NOW + 21 * DAY) == 1
    EventRecord.objects.all().delete()
    assert [new(generator, NOW + days * DAY) for days in (28, 29, 35)] == [1, 0, 1]


def test_a_saved_row_waits_for_its_days_too():
    cart = shop.cart()
    generator = shop.generator(repeat="after", repeat_days=7, on_save=True)
    seen = [running.run_row(generator, cart.pk, NOW + days * DAY) for days in (0, 1, 6, 7)]
    assert seen == [1, 0, 0, 1]


def test_a_row_that_another_worker_was_faster_with_makes_one_event(monkeypatch):
    """Its key is made before the other's event, and the event is young when it is written."""
    cart = shop.cart()
    generator = shop.generator(repeat="after", repeat_days=7)
    new(generator)
    later = NOW + 7 * DAY
    other = Generator.objects.get()
    while_a_run_is_on_its_way(
        monkeypatch, lambda: running.run_row(other, cart.pk, later), before=True
    )
    assert new(generator, later) == 0
    assert EventRecord.objects.count() == 2


def test_a_row_chosen_before_another_worker_was_faster_makes_one_event(monkeypatch):
    """It is chosen before the other's event, and its key is made after it."""
    cart = shop.cart()
    generator = shop.generator(repeat="after", repeat_days=7)
    new(generator)
    later = NOW + 7 * DAY
    other = Generator.objects.get()
    windows = running.windows

    def then(rows):
        for pks in windows(rows):
            assert running.run_row(other, cart.pk, later) == 1
            yield pks

    monkeypatch.setattr(running, "windows", then)
    assert new(generator, later) == 0
    assert EventRecord.objects.count() == 2


@pytest.mark.parametrize("repeat", ["after", "key"])
def test_queries_do_not_grow_with_the_rows(repeat):
    owner = shop.customer()
    generator = shop.generator(repeat=repeat, key_template="{{ cart.id }}")

    def queries(rows: int, now: datetime.datetime) -> int:
        for _row in range(rows):
            shop.cart(owner)
        with CaptureQueriesContext(connection) as captured:
            assert new(generator, now) >= rows
        return len(captured)

    queries(1, NOW)
    few = queries(2, NOW + DAY)
    assert queries(30, NOW + 2 * DAY) == few


@pytest.mark.parametrize("repeat", ["after", "key"])
def test_a_run_with_nothing_new_inserts_nothing(repeat):
    shop.cart()
    generator = shop.generator(repeat=repeat, key_template="{{ cart.id }}")
    new(generator)
    with CaptureQueriesContext(connection) as captured:
        assert new(generator, NOW + DAY) == 0
    assert inserted(captured) == []
    assert Run.objects.count() == 1


# Once for each key of its own -----------------------------------------------------------------


def by_key(template: str = "{{ cart.customer.email }}", **values) -> Generator:
    generator = shop.generator(repeat="key", key_template=template, armed=False, **values)
    generator.arm(timezone.now())
    return generator


def test_rows_with_the_same_key_make_one_event():
    ann, ben = shop.customer(email="ann@example.com"), shop.customer(email="ben@example.com")
    generator = by_key()
    shop.cart(ann), shop.cart(ann), shop.cart(ben)
    assert running.run(generator, NOW) == running.Outcome(looked_at=3, matched=3, new=2)
    shop.cart(ann)
    assert running.run(generator, NOW) == running.Outcome(looked_at=4, matched=4, new=0)
    assert keys() == ["key:ann@example.com", "key:ben@example.com"]


def test_a_row_whose_key_changes_makes_another_event():
    cart = shop.cart(currency="CHF")
    generator = by_key("{{ cart.id }}-{{ cart.currency }}")
    assert (new(generator), new(generator)) == (1, 0)
    Cart.objects.update(currency="EUR")
    assert new(generator) == 1
    assert keys() == [f"key:{cart.pk}-CHF", f"key:{cart.pk}-EUR"]


def test_two_generators_with_the_same_key_do_not_take_each_others_events():
    shop.cart()
    one, other = by_key(), by_key()
    assert (new(one), new(other)) == (1, 1)
    assert len(set(keys())) == 1


def test_a_key_of_another_generator_recorded_by_code_stops_only_that_row():
    """Whoever made it: a key is recorded once."""
    taken, free = shop.cart(), shop.cart()
    generator = shop.generator()
    EventRecord.objects.create(
        key=f"{generator.key_prefix()}{taken.pk}", group="g", recorded_at=NOW,
        recording="00000000-0000-0000-0000-000000000000",
    )  # fmt: skip
    assert new(generator) == 1
    assert EventRecord.objects.latest("pk").row_pk == str(free.pk)


def test_a_row_whose_key_cannot_be_made_is_left_out_and_said():
    nameless = shop.cart(shop.customer(last_name=" "))
    shop.cart(shop.customer(last_name="Meier"))
    generator = by_key("{{ cart.customer.last_name }}")
    outcome = running.run(generator, NOW)
    assert outcome is not None
    assert outcome.new == 1
    assert outcome.error == f"1 row was left out: Its own key is empty. (row {nameless.pk})"


def test_keys_longer_than_the_column_stay_unique():
    for last in "ab":
        shop.cart(shop.customer(last_name="x" * 99 + last))
    generator = by_key("{{ cart.customer.last_name }}" * 3)
    assert (new(generator), new(generator)) == (2, 0)
    assert {len(key) for key in EventRecord.objects.values_list("key", flat=True)} == {KEY_LENGTH}


@pytest.mark.parametrize("name", ["Ann\r\nBcc: x", "Ann\x0b", "👍", "שלום", "‮Ann", "O'Brien & Co"])
def test_a_strange_name_is_part_of_a_key(name):
    shop.cart(shop.customer(last_name=name))
    generator = by_key("{{ cart.customer.last_name }}")
    assert (new(generator), new(generator)) == (1, 0)
    assert keys() == [f"key:{name.strip()}"]


def test_what_would_be_new_is_counted_by_key():
    ann = shop.customer()
    generator = by_key()
    shop.cart(ann)
    new(generator)
    for owner in (ann, ben := shop.customer(), ben):
        shop.cart(owner)
    rows = running.without_events(generator.rows(NOW), generator, NOW)
    assert [cart.customer for cart in rows] == [ben]


def test_of_too_many_rows_those_are_counted_that_had_no_event(monkeypatch):
    monkeypatch.setattr(running, "OWN_KEYS", 1)
    ann = shop.customer()
    generator = by_key()
    shop.cart(ann)
    new(generator)
    shop.cart(ann)
    assert running.without_events(generator.rows(NOW), generator, NOW).count() == 1
    assert new(generator) == 0


@pytest.mark.parametrize(
    ("template", "message"),
    [
        (" ", "Write the key: rows with the same one make one event together."),
        ("mine", "This is the same for all rows. Name a value of the row between {{ and }}."),
        (
            "{{ cart.customer.mail }}",
            "Line 1, column 4: “cart.customer.mail” is not known here. Did you mean "
            "“cart.customer.email”?",
        ),
    ],
)
def test_a_wrong_key_is_refused(template, message):
    generator = shop.generator(armed=False)
    generator.repeat, generator.key_template = "key", template
    with pytest.raises(ValidationError) as refused:
        generator.full_clean()
    assert refused.value.message_dict == {"key_template": [message]}


# Each time it matches anew --------------------------------------------------------------------


def test_a_row_that_came_and_went_between_two_runs_that_saw_it_out_made_no_event():
    cart = shop.cart()
    generator = shop.generator(IS_OPEN, repeat="anew")
    seen = []
    for status in ("open", "ordered", ("open", "ordered"), "ordered", "open", "open"):
        for each in [status] if isinstance(status, str) else status:
            Cart.objects.filter(pk=cart.pk).update(status=each)
        seen.append(new(generator))
    assert seen == [1, 0, 0, 0, 1, 0]
    assert keys() == [f"{cart.pk}:1", f"{cart.pk}:2"]


def test_a_worker_that_comes_late_does_not_set_a_row_back(monkeypatch):
    """It has the row's first key in its hand while others see it leave and come back."""
    cart = shop.cart()
    generator = shop.generator(IS_OPEN, repeat="anew")

    def see(status: str) -> int:
        Cart.objects.filter(pk=cart.pk).update(status=status)
        return running.run_row(Generator.objects.get(), cart.pk, NOW)

    def meanwhile() -> None:
        assert [see(status) for status in ("open", "ordered", "open")] == [1, 0, 1]

    while_a_run_is_on_its_way(monkeypatch, meanwhile, before=True)
    assert new(generator) == 0
    assert Presence.objects.get().episode == 2
    assert [see(status) for status in ("ordered", "open")] == [0, 1]
    assert keys() == [f"{cart.pk}:1", f"{cart.pk}:2", f"{cart.pk}:3"]


def test_a_row_that_left_after_its_values_were_read_makes_no_second_event(monkeypatch):
    cart = shop.cart()
    generator = shop.generator(IS_OPEN, repeat="anew")

    def meanwhile() -> None:
        for status, made in (("open", 1), ("ordered", 0)):
            Cart.objects.filter(pk=cart.pk).update(status=status)
            assert running.run_row(Generator.objects.get(), cart.pk, NOW) == made

    while_a_run_is_on_its_way(monkeypatch, meanwhile, before=False)
    assert new(generator) == 0
    assert keys() == [f"{cart.pk}:1"]


# Keys -----------------------------------------------------------------------------------------


def test_the_database_makes_the_same_key_of_a_long_one():
    """Where primary keys are long texts: here names stand for them."""
    customer = shop.customer(first_name="é" * 100)
    texts = [f"{customer.first_name * times}" for times in (2, 3)]
    rows = Customer.objects.annotate(
        short=repeating._stored(repeating.Value(texts[0])),
        long=repeating._stored(repeating.Value(texts[1])),
    )
    found = rows.values("short", "long").get()
    assert found == {"short": stored_key(texts[0]), "long": stored_key(texts[1])}
