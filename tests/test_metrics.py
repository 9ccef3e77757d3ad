"""Figures for Prometheus, read with its own parser."""

import datetime
import threading
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from automation.events.cluster import heartbeat
from automation.events.health import tally
from automation.events.health.metrics import count_ended, exposition, metrics
from automation.events.health.tally import Counter
from automation.events.models import Tally
from automation.events.outbox import delivery_models
from automation.events.states import State
from generators import running
from mails.models import Account, Message
from tests import shop
from tests.test_health import messages

pytestmark = pytest.mark.django_db

MINUTE = datetime.timedelta(minutes=1)


@pytest.fixture
def now() -> datetime.datetime:
    return timezone.now()


def figures(now: datetime.datetime, about: str) -> dict[Any, float]:
    """The values of one figure by the values of its labels."""
    return {
        tuple(sample.labels.values()): sample.value
        for family in text_string_to_metric_families(exposition(now).decode())
        for sample in family.samples
        if sample.name == about
    }


# What is there ----------------------------------------------------------------------------


def test_every_figure_has_a_kind_and_a_line_that_explains_it(now):
    families = list(text_string_to_metric_families(exposition(now).decode()))
    assert {family.name: family.type for family in families} == {
        "flint_deliveries_queued": "gauge",
        "flint_deliveries_due": "gauge",
        "flint_oldest_due_seconds": "gauge",
        "flint_deliveries_unknown": "gauge",
        "flint_deliveries": "counter",
        "flint_cluster_heartbeat_age_seconds": "gauge",
        "flint_queue_tasks": "gauge",
        "flint_account_stopped_seconds": "gauge",
        "flint_generators": "gauge",
        "flint_runs": "counter",
        "flint_run_seconds": "summary",
        "flint_chains": "gauge",
        "flint_chain_runs_due": "gauge",
        "flint_chain_steps": "counter",
        "flint_chain_runs_ended": "counter",
        "flint_unmeasured": "gauge",
    }
    assert [family.name for family in families if not family.documentation] == []
    assert figures(now, "flint_unmeasured") == {(): 0}


def test_deliveries_are_counted_by_kind(now):
    messages(2, not_before=now - 3 * MINUTE)
    messages(1, not_before=now - 2 * MINUTE)
    messages(4, not_before=now + MINUTE)
    messages(5, state=State.UNKNOWN)
    none = {(model._meta.label_lower,): 0 for model in delivery_models()}
    kind = ("mails.message",)
    assert figures(now, "flint_deliveries_queued") == none | {kind: 7}
    assert figures(now, "flint_deliveries_due") == none | {kind: 3}
    assert figures(now, "flint_oldest_due_seconds") == none | {kind: 180}
    assert figures(now, "flint_deliveries_unknown") == none | {kind: 5}


def test_the_silence_of_each_cluster(now):
    heartbeat.beat("a:1", now - 3 * MINUTE)
    heartbeat.beat("b:1", now)
    assert figures(now, "flint_cluster_heartbeat_age_seconds") == {("a:1",): 180, ("b:1",): 0}


def test_for_how_long_an_e_mail_account_is_stopped(now):
    assert figures(now, "flint_account_stopped_seconds") == {("default",): 0}
    Account.of("default")
    Account.objects.update(stopped_at=now - 3 * MINUTE)
    assert figures(now, "flint_account_stopped_seconds") == {("default",): 180}


def test_generators_and_their_runs(now):
    shop.generator(armed=False)
    generator = shop.generator()
    running.run(generator, now)
    running.run(generator, now)
    generator.conditions.update(field="no_such_field")
    running.run(generator, now)  # a broken rule pauses it
    assert figures(now, "flint_generators") == {("draft",): 1, ("armed",): 0, ("paused",): 1}
    assert figures(now, "flint_runs_total") == {("done",): 2, ("failed",): 1}
    assert figures(now, "flint_run_seconds_count") == {(): 3}
    (seconds,) = figures(now, "flint_run_seconds_sum").values()
    assert seconds == Tally.objects.get(name="flint_run_seconds_sum").value > 0


def test_what_ended_is_counted_by_state(now):
    count_ended(Message, {"sent": 3, "failed": 1, "later": 9})
    count_ended(Message, {"sent": 2})
    states = ("sent", "failed", "unknown", "skipped", "cancelled")
    kinds = [model._meta.label_lower for model in delivery_models()]
    assert figures(now, "flint_deliveries_total") == {
        (kind, state): 0 for kind in kinds for state in states
    } | {("mails.message", "sent"): 5, ("mails.message", "failed"): 1}


def test_what_cannot_be_measured_is_left_out(now):
    def fails(now):
        raise RuntimeError("It broke.")

    with metrics.only(fails):
        assert exposition(now).decode() == (
            "# HELP flint_unmeasured Groups of figures that could not be read.\n"
            "# TYPE flint_unmeasured gauge\n"
            "flint_unmeasured 1.0\n"
        )


def test_it_asks_no_more_with_more_rows(now, django_assert_max_num_queries):
    messages(50, state=State.UNKNOWN)
    for _time in range(5):
        shop.generator()
    with django_assert_max_num_queries(11 + 3 * len(delivery_models())):
        exposition(now)


# The tally --------------------------------------------------------------------------------


def test_a_counter_grows_by_what_is_added_in_one_statement(django_assert_num_queries):
    one, two = Counter.of("a", kind="x"), Counter.of("b")
    tally.add({one: 2, two: 0.5})
    with django_assert_num_queries(1):
        tally.add({two: 1, one: 3})
    assert tally.values("a") == [({"kind": "x"}, 5)]
    assert tally.values("b") == [({}, 1.5)]


def test_nothing_is_asked_to_add_nothing(django_assert_num_queries):
    with django_assert_num_queries(0):
        tally.add({Counter.of("a"): 0})


def test_work_does_not_fail_because_it_was_not_counted():
    connection.cursor().execute("ALTER TABLE automation_events_tally RENAME TO gone")
    tally.add({Counter.of("a"): 1})


@pytest.mark.django_db(transaction=True)
def test_counters_of_several_workers_are_added_up():
    def work(names):
        try:
            for _time in range(20):
                tally.add({Counter.of(name): 1 for name in names})
        finally:
            connection.close()

    workers = [threading.Thread(target=work, args=(names,)) for names in ("ab", "ba", "ab")]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert dict(Tally.objects.values_list("name", "value")) == {"a": 60, "b": 60}


# The page ---------------------------------------------------------------------------------


@pytest.fixture
def token(settings) -> str:
    settings.AUTOMATION = {**settings.AUTOMATION, "METRICS_TOKEN": "pssst"}
    return "pssst"


def test_without_a_token_there_is_no_page():
    assert Client().get("/metrics", headers={"Authorization": "Bearer "}).status_code == 404


@pytest.mark.parametrize(
    "given", ["", "Bearer", "Bearer ", "Bearer pss", "Bearer pssst-ü", "Basic pssst"]
)
def test_a_wrong_token_is_refused(token, given):
    response = Client().get("/metrics", headers={"Authorization": given})
    assert (response.status_code, response.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert b"flint_" not in response.content


def test_who_knows_the_token_gets_the_figures(token):
    response = Client().get("/metrics", headers={"Authorization": f"Bearer {token}"})
    assert response.status_code == 200
    assert response.headers["Content-Type"].startswith("text/plain; version=")
    assert response.headers["Cache-Control"] == "no-store"
    assert b'flint_deliveries_queued{kind="mails.message"} 0.0\n' in response.content
    assert list(response.cookies) == []
