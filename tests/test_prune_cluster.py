"""A real cluster prunes by itself."""

import datetime

import pytest
from django.contrib.sessions.models import Session
from django.utils import timezone
from django_q.tasks import async_task

from automation.events.models import Pruning
from tests.processes import Cluster
from tests.waiting import wait_until


@pytest.mark.slow
def test_a_cluster_prunes_what_is_due(cluster: Cluster):
    long_ago = timezone.now() - datetime.timedelta(days=100)
    Session.objects.create(session_key="old", session_data="", expire_date=long_ago)
    Pruning.objects.bulk_create(
        Pruning(name=name, begun_at=long_ago) for name in ("sessions", "events", "gone")
    )
    async_task("automation.events.tasks.tick")
    wait_until(lambda: Pruning.objects.filter(done_at__isnull=False).count() == 2)
    assert not Session.objects.exists()
    pruned = Pruning.objects.order_by("name").values_list("name", "pruned", "is_open", "error")
    assert [row for row in pruned if row[0] in ("events", "gone", "sessions")] == [
        ("events", 0, False, ""),
        ("gone", 0, False, ""),
        ("sessions", 1, False, ""),
    ]
