"""What is kept for so many days goes, and nothing else."""

import datetime
import io
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.core import checks
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django_q.models import OrmQ, Task

from automation.events import Event, record
from automation.events.health import examinations
from automation.events.housekeeping.chore import Chore, chores, delete, steps
from automation.events.housekeeping.own_chores import empty_events
from automation.events.housekeeping.pruning import last_night, prune, prune_due, ring_for_pruning
from automation.events.models import EventRecord, Pruning
from automation.events.schedule import tick_signal
from automation.events.states import State
from generators import running
from generators.models import Generator, Run, RunState
from generators.timing import Repeat
from mails.models import Message, Proof, ProofFinding
from tests import shop

pytestmark = pytest.mark.django_db

NOW = datetime.datetime(2026, 11, 21, 12, tzinfo=datetime.UTC)


def ago(days: float) -> datetime.datetime:
    return NOW - datetime.timedelta(days=days)


def event(key: str, days: float, **values: Any) -> EventRecord:
    given = {"group": "cart_left", "context": {"cart": {"id": 1}}, "recipient": "ann@example.com"}
    record([Event(key=key, language="de", time_zone="UTC", **{**given, **values})], now=ago(days))
    return EventRecord.objects.get(key=key)


def message(key: str, days: float, state: str) -> Message:
    made = event(key, days, recipient=f"{key}@example.com").messages.get()
    Message.objects.filter(pk=made.pk).update(
        state=state, subject="Hello", html="<p>Hello</p>", text="Hello", headers={"To": "Ann"}
    )
    return made


def done(name: str, days: int | None = None, limit: int = 1_000) -> list[int]:
    """The rows of each transaction."""
    return list(prune(chores.get(name), NOW, days, limit))


def keys(events: Any) -> set[str]:
    return {str(made) for made in events.values_list("key", flat=True)}


# Events ---------------------------------------------------------------------------------------


def test_events_lose_what_is_personal_and_keep_what_makes_them_happen_once():
    old, young = event("old", 101, row_model="demo.cart", row_pk="7"), event("young", 99)
    assert done("events", 100) == [1]
    old.refresh_from_db()
    emptied = (old.context, old.recipient, old.language, old.time_zone)
    assert emptied == ({}, "", "", "")
    assert (old.group, old.row_model, old.row_pk) == ("cart_left", "demo.cart", "7")
    assert (old.recorded_at, old.emptied_at is not None) == (ago(101), True)
    young.refresh_from_db()
    assert (young.recipient, young.emptied_at) == ("ann@example.com", None)


def test_an_emptied_event_is_not_recorded_again():
    event("once", 101)
    assert done("events", 100) == [1]
    again = record([Event("cart_left", "once", recipient="ann@example.com")], now=NOW)
    assert (again.seen, again.new) == (1, 0)


@pytest.mark.parametrize("repeat", [Repeat.ONCE, Repeat.ANEW, Repeat.AFTER, Repeat.KEY])
def test_a_generator_knows_the_events_that_were_emptied(repeat):
    shop.cart(now=timezone.now())
    generator = shop.generator(
        repeat=repeat, repeat_days=3_000, key_template="{{ cart.customer.first_name }}"
    )
    assert running.run(generator, timezone.now()).new == 1
    EventRecord.objects.update(recorded_at=ago(101))
    assert done("events", 100) == [1]
    assert running.run(Generator.objects.get(), timezone.now()).new == 0


def test_an_event_that_is_still_needed_stays_as_it_is():
    shop.mail()
    states = [State.QUEUED, State.SENDING, State.UNKNOWN, State.SENT, State.FAILED]
    for state in states:
        message(f"event-{state}", 101, state)
    assert done("events", 100) == [2]
    assert keys(EventRecord.objects.filter(emptied_at=None)) == {
        "event-queued", "event-sending", "event-unknown",
    }  # fmt: skip


def test_nothing_of_an_event_goes_unless_somebody_says_so():
    event("ancient", 10_000)
    assert done("events") == []
    assert EventRecord.objects.get().recipient == "ann@example.com"


# Messages -------------------------------------------------------------------------------------


@pytest.fixture
def messages() -> list[Message]:
    shop.mail()
    made = [message(f"old-{state}", 101, state) for state in State]
    return [*made, message("young-sent", 99, State.SENT)]


def test_only_messages_that_are_settled_are_deleted(messages):
    assert done("messages", 100) == [4]
    left = set(Message.objects.values_list("recipient", flat=True))
    assert left == {
        "old-queued@example.com", "old-sending@example.com", "old-unknown@example.com",
        "young-sent@example.com",
    }  # fmt: skip
    assert EventRecord.objects.count() == 8


def test_what_messages_said_goes_and_that_they_were_sent_stays(messages):
    assert done("message_texts", 100) == [4]
    sent = Message.objects.get(recipient="old-sent@example.com")
    assert (sent.html, sent.text, sent.headers) == ("", "", {})
    assert (sent.subject, sent.state, sent.created_at) == ("Hello", "sent", ago(101))
    full = Message.objects.exclude(html="").values_list("recipient", flat=True)
    assert set(full) == {
        "old-queued@example.com", "old-sending@example.com", "old-unknown@example.com",
        "young-sent@example.com",
    }  # fmt: skip
    assert done("message_texts", 100) == []


def test_a_message_that_is_retried_meanwhile_stays(messages, monkeypatch):
    """A person decides between the choice of the rows and their end."""
    failed = Message.objects.get(recipient="old-failed@example.com")

    def decided_meanwhile(rows: Any) -> int:
        Message.objects.filter(pk=failed.pk).retry(NOW)
        return delete(rows)

    settled = Message.objects.filter(state__in=["failed", "sent"], created_at__lt=ago(100))
    assert list(steps(settled, "created_at", 1_000, decided_meanwhile)) == [1]
    failed.refresh_from_db()
    assert failed.state == State.QUEUED


# Others ---------------------------------------------------------------------------------------


def run(generator: Generator, days: float, state: str = RunState.DONE) -> Run:
    return Run.objects.create(generator=generator, started_at=ago(days), state=state)


def test_the_last_run_of_a_generator_stays_and_one_that_is_not_over():
    first, second = shop.generator(), shop.generator()
    run(first, 300), run(first, 200)
    kept = [run(first, 190, RunState.RUNNING), run(first, 1), run(second, 250)]
    same_moment = [run(second, 251), run(second, 251)]
    assert done("runs") == [4]
    assert set(Run.objects.all()) == set(kept)
    assert same_moment != kept


def test_a_proof_goes_with_its_findings():
    mail = shop.mail()
    version = mail.keep_version()
    old = Proof.objects.create(mail=mail, version=version, requested_at=ago(31), state="done")
    for number in range(3):
        ProofFinding.objects.create(proof=old, kind="empty", problem=str(number))
    young = Proof.objects.create(mail=mail, version=version, requested_at=ago(29), state="done")
    ProofFinding.objects.create(proof=young, kind="empty", problem="young")
    waiting = Proof.objects.create(mail=mail, version=version, requested_at=ago(31))
    assert done("proofs", limit=2) == [2, 1, 1]
    assert set(Proof.objects.all()) == {young, waiting}
    assert ProofFinding.objects.get().problem == "young"


def test_results_of_the_queue_go_and_what_waits_in_it_stays():
    for number, days in enumerate([31, 29]):
        Task.objects.create(
            id=str(number), name=str(number), func="f", started=ago(days), stopped=ago(days)
        )
    OrmQ.objects.create(key="flint", payload="x", lock=ago(300))
    assert done("queue_results") == [1]
    assert Task.objects.get().id == "1"
    assert OrmQ.objects.count() == 1


def test_sessions_go_that_ended():
    for key, days in (("old", 31), ("young", 29)):
        Session.objects.create(session_key=key, session_data="", expire_date=ago(days))
    assert done("sessions") == [1]
    assert Session.objects.get().session_key == "young"


# Small transactions -----------------------------------------------------------------------------


def test_a_transaction_changes_at_most_so_many_rows_with_as_many_statements():
    for number in range(25):
        event(f"event-{number}", 101)
    with CaptureQueriesContext(
        connection,
    ) as captured:
        assert done("events", 100, limit=10) == [10, 10, 5]
    changes = [query["sql"] for query in captured if query["sql"].startswith("UPDATE")]
    assert len(changes) == 3
    # A choice and a change each, the last choice finds nothing; the rest are savepoints.
    said = [query["sql"] for query in captured if "SAVEPOINT" not in query["sql"]]
    assert len(said) == 7


def test_it_goes_on_where_it_was_left():
    for number in range(5):
        event(f"event-{number}", 101)
    steps_of = prune(chores.get("events"), NOW, 100, 2)
    assert next(steps_of) == 2
    steps_of.close()
    assert EventRecord.objects.filter(emptied_at=None).count() == 3
    assert done("events", 100, limit=2) == [2, 1]


def copy_each(events: list[EventRecord], times: int) -> None:
    """Copies with keys of their own, in one statement: rows of Django's take ten times as long."""
    name = connection.ops.quote_name
    table, key = name(EventRecord._meta.db_table), name("key")
    same = ", ".join(
        name(field.column)
        for field in EventRecord._meta.concrete_fields
        if not field.primary_key and field.name != "key"
    )
    with connection.cursor() as cursor:
        cursor.execute(
            "WITH RECURSIVE number(n) AS "
            "(SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < %s) "
            f"INSERT INTO {table} ({key}, {same}) "
            f"SELECT {key} || '-' || n, {same} FROM {table}, number WHERE {key} IN "
            f"({', '.join(['%s'] * len(events))})",
            [times, *(event.key for event in events)],
        )


@pytest.mark.slow
def test_two_hundred_thousand_rows_go_a_thousand_at_a_time():
    # Many steps show whether what the earlier ones leave behind slows the later ones down,
    # which is PostgreSQL's way; on SQLite fewer are enough to see a thousand at a time.
    rows = 200_000 if connection.vendor == "postgresql" else 20_000
    first = EventRecord.objects.bulk_create(
        EventRecord(
            key=str(number), group="g", recording="0" * 32, recipient="a@example.com",
            recorded_at=ago(101 + number % 7),
        )
        for number in range(1_000)
    )  # fmt: skip
    copy_each(first, rows // 1_000 - 1)
    assert EventRecord.objects.count() == rows
    assert set(empty_events(ago(100), 1_000)) == {1_000}
    assert not EventRecord.objects.filter(emptied_at=None).exists()


# By itself --------------------------------------------------------------------------------------


class Days:
    """A chore of a test: some of it is done each time."""

    def __init__(self, name: str = "days", steps: int = 3, error: Exception | None = None) -> None:
        self.steps, self.error = steps, error
        self.chore = Chore(name, name, 10, self.prune, lambda before: self.steps)

    def prune(self, before: datetime.datetime, limit: int) -> Any:
        if self.error:
            raise self.error
        while self.steps:
            self.steps -= 1
            yield 10


def pruning(name: str = "days") -> Pruning:
    return Pruning.objects.get(name=name)


@pytest.fixture
def rung(monkeypatch) -> list[str]:
    """The tasks that were put into the queue."""
    rung: list[str] = []
    monkeypatch.setattr("automation.events.bell.async_task", lambda task, *args: rung.append(task))
    return rung


def at(hour: int, minute: int = 0, day: int = 21) -> datetime.datetime:
    return datetime.datetime(2026, 11, day, hour, minute, tzinfo=datetime.UTC)


def test_it_is_rung_for_once_a_night(rung):
    days = Days()
    with chores.registered(days.chore):
        ring_for_pruning(at(12, day=20))  # the day on which it was installed
        ring_for_pruning(at(3, 29))
        assert rung == []
        ring_for_pruning(at(3, 30))
        assert rung == ["automation.events.tasks.prune"]
        prune_due(at(3, 30))
        assert (days.steps, pruning().pruned, pruning().is_open) == (0, 30, False)
        ring_for_pruning(at(3, 31))
        ring_for_pruning(at(23, 59))
        assert len(rung) == 1
        ring_for_pruning(at(3, 30, day=22))
        assert len(rung) == 2


def test_the_tick_rings_for_it(rung):
    Pruning.objects.create(name="events", begun_at=at(12, day=19))
    tick_signal.send(sender=None, now=at(12))
    assert rung == ["automation.events.tasks.prune"]


def test_nothing_is_pruned_by_itself_without_a_time(rung, settings):
    settings.AUTOMATION = {"PRUNE_AT": ""}
    with chores.registered(Days().chore):
        ring_for_pruning(at(12, day=1))
        ring_for_pruning(at(12))
    assert rung == []


def test_the_night_is_the_one_of_the_site(settings):
    settings.TIME_ZONE = "Europe/Berlin"
    timezone.get_default_timezone.cache_clear()
    try:
        assert last_night(at(2, 30)) == at(2, 30)
        assert last_night(at(2, 29)) == at(2, 30, day=20)
    finally:
        settings.TIME_ZONE = "UTC"
        timezone.get_default_timezone.cache_clear()


def test_what_takes_longer_goes_on_with_the_next_tick(rung):
    days = Days(steps=3)
    with chores.registered(days.chore):
        ring_for_pruning(at(12, day=19))
        prune_due(at(12), seconds=0)
        assert (days.steps, pruning().is_open, pruning().claimed_until) == (2, True, None)
        ring_for_pruning(at(12, 1))
        assert rung == ["automation.events.tasks.prune"]
        prune_due(at(12, 1))
        assert (days.steps, pruning().pruned, pruning().is_open) == (0, 30, False)


def test_only_one_worker_is_at_it_and_a_dead_one_is_followed():
    days, now = Days(), timezone.now()
    with chores.registered(days.chore):
        ring_for_pruning(now - datetime.timedelta(days=2))
        assert pruning().claim(now) is True  # and its worker dies
        assert pruning().claim(now) is False
        prune_due(now)
        assert days.steps == 3
        later = now + datetime.timedelta(minutes=6)
        prune_due(later)
        assert (days.steps, pruning().is_open) == (0, False)


def test_a_worker_that_was_thought_dead_stops(monkeypatch):
    days, now = Days(), timezone.now()
    with chores.registered(days.chore):
        ring_for_pruning(now - datetime.timedelta(days=2))
        steps_of = days.prune

        def taken_over(before: Any, limit: int) -> Any:
            for done in steps_of(before, limit):
                Pruning.objects.update(token=None)
                yield done

        monkeypatch.setattr(days, "prune", taken_over)
        with chores.registered(Chore("days", "days", 10, taken_over, lambda before: 0)):
            prune_due(now)
    assert (days.steps, pruning().pruned, pruning().is_open) == (2, 0, True)


def test_what_fails_says_so_and_stops_no_other(rung):
    broken, whole = Days("broken", error=OSError("disk full")), Days("whole")
    with chores.registered(broken.chore, whole.chore):
        ring_for_pruning(at(12, day=19))
        prune_due(at(12))
        assert pruning("broken").error == "OSError: disk full"
        assert (pruning("whole").error, whole.steps) == ("", 0)
        ring_for_pruning(at(12, 1))
    assert rung == []


def test_the_doctor_tells_what_failed_and_what_does_not_end():
    Pruning.objects.create(name="events", begun_at=ago(0), error="OSError: disk full")
    Pruning.objects.create(name="runs", begun_at=ago(2), is_open=True)
    Pruning.objects.create(name="messages", begun_at=ago(0.5), is_open=True)
    (examination,) = [known for known in examinations if known.name == "pruning"]
    assert [finding.what for finding in examination(NOW)] == [
        "Old data could not be removed (what events knew): OSError: disk full",
        "Removing old data has taken more than a day and goes on (runs of generators).",
    ]


# The command --------------------------------------------------------------------------------------


def command(*arguments: str) -> list[list[str]]:
    out = io.StringIO()
    call_command("prune", *arguments, stdout=out)
    return [line.split() for line in out.getvalue().splitlines()]


def test_the_command_says_how_many_and_changes_nothing_if_it_shall_not(settings):
    settings.AUTOMATION = {"KEEP_DAYS": {"events": 1}}
    event("old", 101)
    for _time in range(2):
        lines = command("--dry-run")
        assert lines[0] == ["kind", "older", "than", "rows"]
        assert [line[-1] for line in lines if line[0] == "events"] == ["1"]
    assert ["messages", "kept", "for", "ever", "0"] in lines
    assert [line[-1] for line in command("--kind", "events")[1:]] == ["1"]
    assert [line[-1] for line in command("--kind", "events")[1:]] == ["0"]


def test_the_command_takes_an_age():
    event("old", 101)
    today = timezone.now()
    days = (today - ago(101)).days
    assert command("--kind", "events", "--days", str(days + 1), "--dry-run")[1][-1] == "0"
    assert command("--kind", "events", "--days", str(days), "--dry-run")[1][-1] == "1"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--days", "3"], "--days needs --kind: not everything is kept equally long."),
        (["--days", "0", "--kind", "runs"], "--days is a whole number from 1 on."),
    ],
)
def test_the_command_refuses_what_it_cannot_mean(arguments, said):
    with pytest.raises(CommandError, match=f"^{said}$"):
        command(*arguments)


def test_the_command_knows_its_kinds():
    with pytest.raises(CommandError, match="no kind of data named: mesages"):
        command("--kind", "mesages")


def test_the_command_goes_on_after_an_error_and_fails():
    broken, whole = Days("broken", error=OSError("disk full")), Days("whole")
    with (
        chores.registered(broken.chore, whole.chore),
        pytest.raises(CommandError, match="^broken: OSError: disk full$"),
    ):
        command()
    assert whole.steps == 0


# Settings -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"KEEP_DAYS": {"events": 730, "messages": None}, "PRUNE_AT": "23:15"}, []),
        ({"PRUNE_AT": ""}, []),
        ({"KEEP_DAYS": 30}, ["automation_events.E001"]),
        ({"KEEP_DAYS": {"event": 30}}, ["automation_events.E002"]),
        ({"KEEP_DAYS": {"events": 0}}, ["automation_events.E003"]),
        ({"KEEP_DAYS": {"events": "30"}}, ["automation_events.E003"]),
        ({"KEEP_DAYS": {"events": True}}, ["automation_events.E003"]),
        ({"PRUNE_AT": "25:00"}, ["automation_events.E004"]),
        ({"PRUNE_AT": 3}, ["automation_events.E004"]),
    ],
)
def test_wrong_settings_are_told(settings, given, expected):
    settings.AUTOMATION = given
    found = [error for error in checks.run_checks() if error.id.startswith("automation_events")]
    assert [error.id for error in found] == expected


def test_a_kind_that_is_nearly_right_is_named(settings):
    settings.AUTOMATION = {"KEEP_DAYS": {"mesages": 30}}
    (found,) = [error for error in checks.run_checks() if error.id == "automation_events.E002"]
    assert found.hint == "Did you mean 'messages'?"


# The end of a delivery counts -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "ended", "goes"),
    [
        ("sent", {"handed_at": 1, "sent_at": 1}, False),
        ("sent", {"handed_at": 91, "sent_at": 91}, True),
        ("failed", {"handed_at": 1}, False),  # its webhook was switched on yesterday
        ("failed", {"not_before": 1}, False),  # it was tried for months
        ("failed", {"handed_at": 91}, True),
        ("skipped", {}, True),
        ("queued", {}, False),
        ("unknown", {"handed_at": 91}, False),
    ],
)
def test_a_delivery_is_as_old_as_its_end(state: str, ended: dict[str, float], goes: bool):
    shop.mail()
    made = message("ann", 100, state)
    moments = {name: ago(days) for name, days in ended.items()}
    Message.objects.filter(pk=made.pk).update(**moments)
    assert sum(done("events", 90)) == goes
    assert sum(done("messages", 90)) == goes
    assert Message.objects.filter(pk=made.pk).exists() is not goes
