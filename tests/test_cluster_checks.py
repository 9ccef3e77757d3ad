"""What ``manage.py check`` says about ``Q_CLUSTER``."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django_q.conf import Conf

from automation.events.cluster.checks import check_cluster

GOOD: dict[str, Any] = {
    "orm": "default",
    "workers": 2,
    "bulk": 1,
    "queue_limit": 2,
    "timeout": 300,
    "retry": 1200,
    "max_attempts": 1,
    "ack_failures": True,
    "save_limit": -1,
    "catch_up": False,
}


def found(settings: Any, cluster: Any) -> list[str]:
    settings.Q_CLUSTER = cluster
    return [str(message.id).removeprefix("automation_events.") for message in check_cluster()]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, []),
        ({"timeout": None}, ["E102"]),
        ({"retry": 901}, []),
        ({"retry": 900}, ["W101"]),
        ({"workers": 1, "queue_limit": 1, "retry": 900}, ["W101"]),
        ({"workers": 16, "queue_limit": 16, "retry": 901}, []),
        ({"queue_limit": 1, "retry": 601}, []),
        ({"queue_limit": 1, "retry": 600}, ["W101"]),
        ({"bulk": 10}, ["W102"]),
        ({"queue_limit": 3}, ["W103"]),
        ({"queue_limit": 50, "retry": 9000}, ["W103"]),
        ({"max_attempts": 3}, ["W104"]),
        ({"ack_failures": False}, ["W105"]),
        ({"save_limit": 0}, ["W106"]),
        ({"save_limit": 250}, ["W106"]),
        ({"catch_up": True}, ["W107"]),
        ({"sync": True}, ["W108"]),
        ({"orm": "other"}, ["W109"]),
    ],
)
def test_each_value_that_breaks_something_is_named(
    settings: Any, changes: dict[str, Any], expected: list[str]
) -> None:
    assert found(settings, {**GOOD, **changes}) == expected


@pytest.mark.parametrize(
    ("left_out", "expected"),
    [
        ("bulk", []),
        ("timeout", ["E102"]),
        ("retry", ["W101"]),
        ("queue_limit", ["W101", "W103"]),
        ("max_attempts", ["W104"]),
        ("ack_failures", ["W105"]),
        ("save_limit", ["W106"]),
        ("catch_up", ["W107"]),
        ("orm", []),
    ],
)
def test_what_is_left_out_counts_as_what_it_then_is(
    settings: Any, left_out: str, expected: list[str]
) -> None:
    cluster = {key: value for key, value in GOOD.items() if key != left_out}
    assert found(settings, cluster) == expected


def test_a_project_without_q_cluster_is_told(settings: Any) -> None:
    assert found(settings, {}) == ["E101"]
    del settings.Q_CLUSTER
    assert [message.id for message in check_cluster()] == ["automation_events.E101"]


def test_each_message_says_why_and_what_to_do(settings: Any) -> None:
    settings.Q_CLUSTER = {"workers": 4}
    assert {bool(message.hint) for message in check_cluster()} == {True}
    settings.Q_CLUSTER = {**GOOD, "workers": 4, "queue_limit": 16, "retry": 300}
    (retry, limit) = check_cluster()
    assert retry.msg.startswith("Q_CLUSTER's retry is not more than 1800 seconds: ")
    assert "'retry': 2100 leaves room" in str(retry.hint)
    assert limit.msg == "The cluster takes up to 16 tasks in advance (queue_limit)."


@pytest.mark.sqlite_only
@pytest.mark.parametrize("redis", ["", "redis://127.0.0.1:6379/0"])
def test_the_sites_own_settings_are_good_for_any_number_of_workers(
    settings: Any, redis: str
) -> None:
    program = "from automation.settings import Q_CLUSTER; del Q_CLUSTER['label']; print(Q_CLUSTER)"
    for workers in (1, 2, 3, 7, 16):
        environment = {**os.environ, "REDIS_URL": redis, "CLUSTER_WORKERS": str(workers)}
        output = subprocess.run(
            [sys.executable, "-c", program],
            cwd=Path(__file__).resolve().parent.parent,
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        cluster = eval(output)
        assert cluster["workers"] == workers
        assert found(settings, cluster) == []


def test_a_cluster_that_would_get_no_task_does_not_start(monkeypatch: Any) -> None:
    monkeypatch.setattr(Conf, "SYNC", True)
    with pytest.raises(CommandError, match="sync"):
        call_command("run_cluster", skip_checks=True)
