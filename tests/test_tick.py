"""The tick finds what is due, offers it once, and loses nothing when the queue does."""

import datetime

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from django_q.models import OrmQ, Schedule

from automation.events import bell
from automation.events.models import EventRecord
from automation.events.schedule import TICK_NAME, tick_signal
from automation.events.states import State
from automation.events.tasks import deliver, tick
from generators import running
from generators.models import Generator
from generators.tasks import offer_due, run_generator
from mails.models import Message
from tests import shop

pytestmark = pytest.mark.django_db

MINUTE = datetime.timedelta(minutes=1)


def tasks() -> list[tuple[str, tuple[object, ...]]]:
    return [(task.task["func"], task.task["args"]) for task in OrmQ.objects.order_by("pk")]


def test_there_is_exactly_one_schedule_after_migrate():
    schedule = Schedule.objects.get(name=TICK_NAME)
    assert (schedule.func, schedule.minutes, schedule.repeats) == (
        "automation.events.tasks.tick", 1, -1,
    )  # fmt: skip
    call_command("migrate", verbosity=0)
    assert Schedule.objects.count() == 1


def test_what_is_due_is_offered_once_a_tick():
    due = shop.generator()
    shop.generator(armed=False)
    later = shop.generator()
    Generator.objects.filter(pk=later.pk).update(next_run_at=timezone.now() + MINUTE)
    now = timezone.now()
    offer_due(now)
    offer_due(now)
    assert tasks() == [("generators.tasks.run_generator", (due.pk,))]


def test_an_offer_that_was_lost_is_made_again_after_a_minute():
    due, now = shop.generator(), timezone.now()
    offer_due(now)
    OrmQ.objects.all().delete()
    offer_due(now + MINUTE)
    assert tasks() == [("generators.tasks.run_generator", (due.pk,))]


def test_a_task_that_comes_late_or_twice_does_nothing():
    shop.cart()
    due = shop.generator()
    run_generator(due.pk)
    assert EventRecord.objects.count() == 1
    shop.cart()
    run_generator(due.pk)  # its next run is in the future by now
    assert EventRecord.objects.count() == 1
    run_generator(999_999)


def test_an_overdue_generator_runs_once_and_not_once_for_each_missed_run():
    generator = shop.generator()
    Generator.objects.update(next_run_at=timezone.now() - datetime.timedelta(days=3))
    run_generator(generator.pk)
    generator.refresh_from_db()
    assert generator.next_run_at is not None
    assert generator.next_run_at > timezone.now()


def test_a_run_that_was_killed_is_taken_up_again():
    shop.cart()
    generator, now = shop.generator(), timezone.now()
    assert generator.claim()  # and dies
    offer_due(now + MINUTE)
    assert tasks() == []
    offer_due(now + 11 * MINUTE)
    assert len(tasks()) == 1


def test_the_tick_sweeps_and_rings_for_what_is_queued(django_capture_on_commit_callbacks):
    shop.mail()
    shop.cart()
    running.run(shop.generator(), timezone.now())
    past = timezone.now() - MINUTE
    Message.objects.update(state=State.SENDING, lease_until=past, not_before=past)
    Generator.objects.update(next_run_at=None)
    tick()
    assert Message.objects.get().state == State.QUEUED
    assert tasks() == [("automation.events.tasks.deliver", ("mails.Message",))]


def test_a_failing_receiver_stops_no_other(caplog):
    heard = []

    def fail(now, **kwargs):
        raise RuntimeError("broken")

    def note(now, **kwargs):
        heard.append(now)

    tick_signal.connect(fail)
    tick_signal.connect(note)
    try:
        tick()
    finally:
        tick_signal.disconnect(fail)
        tick_signal.disconnect(note)
    assert len(heard) == 1
    assert "broken" in caplog.text


def test_events_ring_once_they_are_committed(django_capture_on_commit_callbacks):
    shop.mail()
    shop.cart()
    with django_capture_on_commit_callbacks(execute=True):
        running.run(shop.generator(), timezone.now())
        assert tasks() == []
    assert tasks() == [("automation.events.tasks.deliver", ("mails.Message",))]


def test_a_full_batch_calls_one_more_worker_and_all_of_it_goes_out(smtp_server, settings):
    settings.AUTOMATION = {"DELIVERY_BATCH": 2}
    shop.mail()
    for _number in range(5):
        shop.cart()
    running.run(shop.generator(), timezone.now())
    deliver("mails.Message")
    assert (len(smtp_server.received), len(tasks())) == (5, 1)
    assert smtp_server.connections == 1
    deliver("mails.Message")
    assert (len(smtp_server.received), len(tasks())) == (5, 1)


def test_a_queue_out_of_reach_loses_no_event(
    monkeypatch, caplog, django_capture_on_commit_callbacks
):
    def fail(*args):
        raise ConnectionError("Redis is gone")

    monkeypatch.setattr(bell, "async_task", fail)
    shop.mail()
    shop.cart()
    with django_capture_on_commit_callbacks(execute=True):
        running.run(shop.generator(), timezone.now())
    assert Message.objects.get().state == State.QUEUED
    assert "Redis is gone" in caplog.text


def test_only_a_kind_of_delivery_is_delivered():
    with pytest.raises(TypeError, match="User is not a kind of delivery"):
        deliver("auth.User")


def test_the_commands_run_and_deliver_without_the_cluster(smtp_server, capsys):
    shop.mail()
    shop.cart(now=timezone.now())
    generator, draft = shop.generator(), shop.generator(armed=False)
    call_command("run_generators", "--dry-run")
    assert capsys.readouterr().out.split()[-3:] == [generator.slug, "1", "1"]
    assert EventRecord.objects.count() == 0
    call_command("run_generators", generator.slug)
    assert capsys.readouterr().out.split()[-3:] == [generator.slug, "1", "1"]
    call_command("deliver")
    assert capsys.readouterr().out.splitlines()[-1:] == ["messages: 1 sent"]
    assert len(smtp_server.received) == 1
    with pytest.raises(CommandError, match="There is no generator named: nothing"):
        call_command("run_generators", "nothing")
    with pytest.raises(CommandError, match=f"Not armed, so not run: {draft.slug}"):
        call_command("run_generators", draft.slug)
    with pytest.raises(CommandError, match="'soon' is no moment"):
        call_command("run_generators", "--at", "soon")


def test_generators_can_be_asked_as_of_another_moment(capsys):
    shop.cart(days_old=3)
    generator = shop.generator()
    call_command("run_generators", "--at", (shop.NOW - datetime.timedelta(days=2)).isoformat())
    assert capsys.readouterr().out.split()[-3:] == [generator.slug, "0", "0"]
