"""What the watchdog concludes from the signs of life, and what a cluster's row says."""

import datetime
import os
from pathlib import Path

import pytest
from django.db import connection
from django.utils import timezone

from automation.events.cluster import heartbeat, pulse
from automation.events.cluster.heartbeat import Heartbeat, at_work, beat, beat_with_tick, own_name
from automation.events.cluster.pulse import Pulse, Signs
from automation.events.cluster.watchdog import OVERSLEPT, Listening, Watchdog

NOW = datetime.datetime(2026, 3, 10, 12, 0, tzinfo=datetime.UTC)
SECOND = datetime.timedelta(seconds=1)


def listen(*heard: tuple[float, Signs], workers: int = 2) -> Listening:
    """Signs at seconds after the start; between them it listened to the same."""
    listening, last = Listening(workers, 0), Signs(0, 0, 0, 0)
    now = 0.0
    for moment, signs in heard:
        while now + 1 < moment:
            now += 1
            listening.hear(last, now)
        now, last = moment, signs
        listening.hear(signs, moment)
    return listening


# Signs of life ----------------------------------------------------------------------------


def test_a_cluster_that_takes_tasks_is_not_quiet() -> None:
    listening = listen((5, Signs(1, 1, 1, 0)), (30, Signs(2, 2, 2, 0)))
    assert (listening.quiet(30), listening.has_worked) == (0, True)


def test_one_that_takes_none_is_quiet_since_the_last_and_was_asked_since_then() -> None:
    listening = listen((5, Signs(1, 1, 1, 0)), (20, Signs(1, 1, 1, 0)))
    listening.ask(20)
    listening.ask(25)
    listening.hear(Signs(1, 1, 1, 0), 29)
    assert (listening.quiet(30), listening.unanswered(30)) == (25, 10)
    listening.hear(Signs(2, 1, 1, 1), 31)
    assert (listening.quiet(31), listening.unanswered(31)) == (0, 0)


def test_one_whose_workers_are_all_at_a_task_is_not_expected_to_take_more() -> None:
    assert listen((5, Signs(2, 0, 0, 2)), (300, Signs(2, 0, 0, 2))).quiet(300) == 0
    assert listen((5, Signs(2, 0, 0, 1)), (300, Signs(2, 0, 0, 1))).quiet(300) == 295


def test_a_silence_that_was_not_its_fault_does_not_count() -> None:
    listening = listen((5, Signs(1, 2, 1, 0)), (40, Signs(1, 2, 1, 0)))
    listening.ask(20)
    assert (listening.quiet(40), listening.unanswered(40), listening.unnoted(40)) == (35, 20, 34)
    listening.excuse(40)
    assert (listening.quiet(40), listening.unanswered(40), listening.unnoted(40)) == (0, 0, 0)


def test_a_watchdog_that_was_stopped_itself_starts_counting_anew() -> None:
    listening = listen((5, Signs(1, 1, 1, 0)))
    listening.ask(5)
    listening.hear(Signs(1, 1, 1, 0), 5 + OVERSLEPT + 1)
    assert (listening.quiet(16), listening.unanswered(16)) == (0, 0)


def test_results_that_are_not_noted_are_counted_from_the_first() -> None:
    stuck = listen((5, Signs(1, 1, 1, 0)), (10, Signs(2, 2, 1, 0)), (20, Signs(3, 3, 1, 0)))
    assert stuck.unnoted(20) == 10
    stuck.hear(Signs(3, 3, 2, 0), 21)  # late, but noted one
    assert stuck.unnoted(21) == 0


# When it is started again -----------------------------------------------------------------


def watchdog(listening: Listening) -> Watchdog:
    watchdog = Watchdog(["false"], silence=30, grace=5)
    watchdog.listening = listening
    watchdog.others_work = watchdog.waits_for_others = False
    return watchdog


def quiet_for(seconds: float, *, asked: float | None = 10) -> Listening:
    """It has worked once, and has been quiet since then, and asked after so many seconds."""
    listening = Listening(2, 0)
    listening.hear(Signs(1, 1, 1, 0), 0)
    listening.heard_at = seconds
    if asked is not None:
        listening.ask(asked)
    return listening


def test_a_cluster_that_does_not_answer_is_started_again() -> None:
    assert watchdog(quiet_for(30))._stuck(30) == ""
    reason = "No worker has taken a task for 31 seconds."
    assert watchdog(quiet_for(31))._stuck(31) == reason


def test_one_that_could_not_be_asked_is_not() -> None:
    assert watchdog(quiet_for(100, asked=None))._stuck(100) == ""
    assert watchdog(quiet_for(100, asked=90))._stuck(100) == ""


def test_while_others_take_the_tasks_it_may_only_have_no_luck() -> None:
    dog = watchdog(quiet_for(31))
    dog.others_work = True
    assert dog._stuck(31) == ""
    assert dog._stuck(600) == ""
    assert dog._stuck(601) == "No worker has taken a task for 601 seconds."


def test_a_machine_that_is_slow_to_start_it_gets_longer_each_time() -> None:
    listening = Listening(2, 0)
    listening.ask(10)
    dog = watchdog(listening)
    assert dog._stuck(31) != ""
    dog.mute_starts = 2
    assert dog._stuck(119) == ""
    assert dog._stuck(121) != ""
    dog.mute_starts = 50
    assert dog._stuck(600) == ""
    assert dog._stuck(601) != ""


def rename(table: str, name: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {table} RENAME TO {name}")


@pytest.mark.django_db(transaction=True)
def test_a_queue_out_of_reach_is_no_fault_of_the_cluster_and_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    dog = watchdog(quiet_for(40))
    dog.pulse, dog.asked = Pulse(tmp_path), 0.0
    caplog.set_level("INFO", "automation.events.cluster.watchdog")
    rename("django_q_ormq", "away")
    try:
        dog._ask(40)
        assert dog._stuck(60) == ""
        dog._ask(70)
    finally:
        rename("away", "django_q_ormq")
    assert dog.listening.unanswered(90) == 0
    dog._ask(100)
    assert dog.listening.unanswered(110) == 10
    said = [message.partition(":")[0] for message in caplog.messages]
    assert [line for line in said if line.startswith("The queue")] == [
        "The queue cannot be used",
        "The queue can be used again.",
    ]


# Files ------------------------------------------------------------------------------------


def test_signs_go_through_files(tmp_path: Path) -> None:
    signs, group = Pulse(tmp_path), os.getpgid(0)
    assert signs.read(group) == Signs(0, 0, 0, 0)
    signs.take()
    taken = signs.read(group)
    assert (taken.taken > 0, taken.finished, taken.noted, taken.busy) == (True, 0, 0, 1)
    assert signs.read(group + 1).busy == 0  # of an earlier cluster
    signs.finish()
    signs.note()
    done = signs.read(group)
    assert done.noted >= done.finished >= done.taken
    assert done.busy == 0
    signs.clear()
    assert signs.read(group) == Signs(0, 0, 0, 0)


def test_a_directory_that_is_gone_is_made_anew_and_costs_no_task(tmp_path: Path) -> None:
    signs = Pulse(tmp_path / "gone")
    assert signs.read(1) == Signs(0, 0, 0, 0)
    signs.take()
    assert signs.read(os.getpgid(0)).busy == 1
    unusable = Pulse(tmp_path / "file" / "gone")
    unusable.take()
    unusable.finish()
    unusable.note()
    with pytest.raises(OSError, match="gone"):
        unusable.try_to_write()


# Rows -------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_a_row_is_renewed_and_keeps_when_it_started() -> None:
    beat("a:1", NOW)
    beat("a:1", NOW + 10 * SECOND)
    row = Heartbeat.objects.get()
    assert (row.started_at, row.beaten_at) == (NOW, NOW + 10 * SECOND)
    beat("a:1", NOW + 20 * SECOND, NOW + 15 * SECOND)
    row.refresh_from_db()
    assert (row.started_at, row.beaten_at) == (NOW + 15 * SECOND, NOW + 20 * SECOND)


@pytest.mark.django_db
def test_who_was_at_work_lately() -> None:
    beat("a:1", NOW)
    beat("b:1", NOW - 50 * SECOND)
    assert [row.name for row in at_work(NOW, 40 * SECOND)] == ["a:1"]
    assert [row.name for row in at_work(NOW, 50 * SECOND)] == ["a:1", "b:1"]


@pytest.mark.django_db
def test_the_tick_renews_the_row_of_a_cluster_without_a_watchdog(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pulse, "_watched", True)
    beat_with_tick(NOW)
    assert Heartbeat.objects.count() == 0
    monkeypatch.setattr(pulse, "_watched", False)
    beat_with_tick(NOW)
    row = Heartbeat.objects.get()
    assert (row.name, row.beaten_at) == (heartbeat.host(), NOW)


@pytest.mark.django_db
def test_the_tick_forgets_clusters_that_have_been_silent_for_a_day() -> None:
    day = datetime.timedelta(days=1)
    beat("old", NOW - day - SECOND)
    beat("quiet", NOW - day)
    beat_with_tick(NOW)
    assert [row.name for row in Heartbeat.objects.all()] == sorted([heartbeat.host(), "quiet"])


@pytest.mark.django_db
def test_a_watchdog_forgets_those_of_its_host_that_were_killed() -> None:
    host, now = heartbeat.host(), timezone.now()
    alive, elsewhere = f"{host}:{os.getppid()}", "elsewhere:1"
    for name in (alive, own_name(), f"{host}:{2**22 + 1}", host):
        beat(name, now)
    beat(elsewhere, now)
    Heartbeat.objects.filter(name=elsewhere).update(host="elsewhere")
    heartbeat.forget_the_dead()
    assert {row.name for row in Heartbeat.objects.all()} == {alive, elsewhere, host}
