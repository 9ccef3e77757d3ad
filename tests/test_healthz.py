"""What load balancers ask."""

import datetime

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone
from django_q.models import Schedule

from automation.events.cluster import heartbeat
from automation.events.outbox import delivery_models
from automation.events.schedule import TICK_NAME
from tests.test_health import messages

pytestmark = pytest.mark.django_db

MINUTE = datetime.timedelta(minutes=1)
BOTH = pytest.mark.parametrize("path", ["/healthz", "/healthz/cluster"])


@pytest.fixture(autouse=True)
def works(db):
    """A cluster is at work."""
    Schedule.objects.filter(name=TICK_NAME).update(next_run=timezone.now() + MINUTE)
    heartbeat.beat("web:1", timezone.now())


def answer(path, client=None):
    response = (client or Client()).get(path)
    return response.status_code, response.json()


@BOTH
def test_it_says_yes_without_an_account_a_cookie_or_a_copy(path):
    response = Client().get(path)
    assert (response.status_code, response.json()) == (200, {"status": "ok"})
    assert response.headers["Cache-Control"] == "no-store"
    assert list(response.cookies) == []
    head = Client().head(path)
    assert (head.status_code, head.content) == (200, b"")
    assert Client().post(path).status_code == 405


@BOTH
def test_it_is_not_sent_to_https(path, settings):
    settings.SECURE_SSL_REDIRECT = True
    assert answer(path) == (200, {"status": "ok"})
    assert Client().get("/metrics").status_code == 301


@BOTH
def test_a_database_that_does_not_answer_is_a_no(path):
    connection.cursor().execute("ALTER TABLE automation_events_tally RENAME TO gone")
    assert answer(path) == (503, {"status": "failing", "part": "database"})


def test_the_process_works_without_a_cluster():
    Schedule.objects.update(next_run=timezone.now() - 3 * MINUTE)
    assert answer("/healthz") == (200, {"status": "ok"})
    assert answer("/healthz/cluster") == (503, {"status": "failing", "part": "cluster"})


def test_what_waits_for_long_is_a_no():
    (message,) = messages(1, not_before=timezone.now() - 14 * MINUTE)
    assert answer("/healthz/cluster") == (200, {"status": "ok"})
    type(message).objects.update(not_before=timezone.now() - 16 * MINUTE)
    assert answer("/healthz/cluster") == (503, {"status": "failing", "part": "deliveries"})
    assert answer("/healthz") == (200, {"status": "ok"})


@BOTH
def test_it_asks_few_questions(path, django_assert_max_num_queries):
    with django_assert_max_num_queries(3 + len(delivery_models())):
        answer(path)
