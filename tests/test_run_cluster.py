"""``manage.py run_cluster``: whatever is killed, it sends again; and it ends in order."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.utils import timezone
from django_q.tasks import async_task

from automation.events import Event, record
from automation.events.cluster.heartbeat import Heartbeat
from automation.events.cluster.watchdog import Watchdog
from automation.events.states import State
from mails.models import Message
from tests import shop
from tests.processes import WatchedCluster
from tests.smtp import SmtpServer
from tests.waiting import wait_until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks into /proc"),
]

Start = Callable[..., WatchedCluster]


@pytest.fixture
def start(smtp_server: SmtpServer, tmp_path: Path) -> Iterator[Start]:
    """Starts a cluster, whose mail goes to ``smtp_server``; nothing of it may be left."""
    started: list[WatchedCluster] = []

    def start(**environment: str) -> WatchedCluster:
        log = tmp_path / f"cluster{len(started)}.log"
        cluster = WatchedCluster(log, EMAIL_URL=smtp_server.url, **environment)
        started.append(cluster)
        cluster.start()
        # Each brings two tasks along. After them all of its processes wait for more, and hold
        # the locks that make killing them hurt.
        wait_until(lambda: done() >= 2 * len(started), 30, "There is nothing to do")
        return cluster

    def done() -> int:
        return sum(cluster.log().count("Processed '") for cluster in started)

    shop.mail()
    yield start
    for cluster in started:
        cluster.kill()
        print(cluster.log())


def send(smtp_server: SmtpServer) -> None:
    """An event causes a mail, and it arrives, once."""
    key = str(len(smtp_server.received))
    context = {"cart": {"customer": {"first_name": "Ann"}, "items": []}}
    record([Event("cart_left", key, context, recipient=f"ann{key}@example.com")])
    wait_until(
        lambda: not Message.objects.exclude(state=State.SENT).exists(), 60, "The mail is sent"
    )
    assert len(smtp_server.received) == int(key) + 1


def end(cluster: WatchedCluster, number: int = signal.SIGTERM) -> int:
    """Send the signal to the whole process group, as a terminal does; the exit code."""
    assert cluster.process is not None
    os.killpg(cluster.process.pid, number)
    return cluster.process.wait(60)


class Task:
    """A task that takes ``seconds``, and leaves a file when it has begun and when it is done."""

    def __init__(self, directory: Path, seconds: float) -> None:
        self.begun, self.done = directory / "begun", directory / "done"
        script = f"touch {self.begun} && sleep {seconds} && touch {self.done}"
        async_task("subprocess.check_call", ["sh", "-c", script])
        wait_until(self.begun.exists, 30, "The task has begun")


# Whatever is killed -----------------------------------------------------------------------


@pytest.mark.sqlite_only
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_it_sends_and_ends_without_a_trace(
    start: Start, smtp_server: SmtpServer, number: int
) -> None:
    cluster = start()
    send(smtp_server)
    assert end(cluster, number) == 0
    assert cluster.processes() == {}
    assert Heartbeat.objects.count() == 0


@pytest.mark.sqlite_only
def test_its_row_says_what_it_is(start: Start) -> None:
    before = timezone.now()
    cluster = start(CLUSTER_WORKERS="3")
    row = wait_until(Heartbeat.objects.first)
    assert cluster.process is not None
    assert row.name == f"{row.host}:{cluster.process.pid}"
    assert (row.workers, row.release) == (3, "0.1.0")
    assert before < row.started_at <= row.beaten_at


@pytest.mark.sqlite_only
def test_it_sends_again_when_workers_that_waited_for_a_task_were_killed(
    start: Start, smtp_server: SmtpServer
) -> None:
    cluster = start()
    for pid in wait_until(lambda: len(cluster.workers) == 2 and cluster.workers):
        os.kill(pid, signal.SIGKILL)
    send(smtp_server)
    assert (
        "ERROR automation.events.cluster.watchdog: No worker has taken a task for" in cluster.log()
    )
    assert end(cluster) == 0


@pytest.mark.sqlite_only
def test_it_starts_again_when_the_process_that_notes_results_was_killed(
    start: Start, smtp_server: SmtpServer
) -> None:
    cluster = start()
    first = cluster.main
    os.kill(cluster.monitor, signal.SIGKILL)
    wait_until(lambda: cluster.main != first, 60, "It has started again")
    assert "No result of a task has been noted for 4 seconds. Starting it again." in cluster.log()
    send(smtp_server)


@pytest.mark.sqlite_only
@pytest.mark.parametrize("which", ["main", "sentinel"])
def test_it_starts_again_when_a_first_process_was_killed(
    start: Start, smtp_server: SmtpServer, which: str
) -> None:
    cluster = start()
    before = {*cluster.workers, cluster.sentinel, cluster.monitor}
    os.kill(getattr(cluster, which), signal.SIGKILL)
    send(smtp_server)
    assert "The cluster has ended by itself" in cluster.log()
    assert before & cluster.processes().keys() == set()


@pytest.mark.redis
def test_it_sends_again_with_the_redis_broker(start: Start, smtp_server: SmtpServer) -> None:
    cluster = start()
    for pid in wait_until(lambda: len(cluster.workers) == 2 and cluster.workers):
        os.kill(pid, signal.SIGKILL)
    send(smtp_server)
    assert "No worker has taken a task for" in cluster.log()
    assert end(cluster) == 0


@pytest.mark.postgres
def test_two_clusters_share_the_work_and_one_is_enough(
    start: Start, smtp_server: SmtpServer
) -> None:
    first, _second = start(), start()
    wait_until(lambda: Heartbeat.objects.count() == 2, message="Both have a row")
    for _mail in range(10):
        send(smtp_server)
    first.kill()
    for _mail in range(5):
        send(smtp_server)


# What it leaves alone ---------------------------------------------------------------------


@pytest.mark.sqlite_only
def test_a_task_that_takes_longer_than_the_silence_is_left_alone(
    start: Start, tmp_path: Path
) -> None:
    cluster = start(CLUSTER_WORKERS="1")
    task = Task(tmp_path, 8)
    wait_until(task.done.exists, 30, "The task is done")
    assert "Starting it again" not in cluster.log()


# Ending -----------------------------------------------------------------------------------


@pytest.mark.sqlite_only
def test_a_signal_lets_a_task_be_finished(start: Start, tmp_path: Path) -> None:
    cluster = start()
    task = Task(tmp_path, 6)
    assert end(cluster) == 0
    assert task.done.exists()
    assert cluster.processes() == {}


@pytest.mark.sqlite_only
def test_a_second_signal_does_not_wait(start: Start, tmp_path: Path) -> None:
    cluster = start()
    task = Task(tmp_path, 60)
    assert cluster.process is not None
    cluster.process.send_signal(signal.SIGINT)
    wait_until(lambda: "Ending" in cluster.log())
    assert end(cluster, signal.SIGINT) == 1
    assert not task.done.exists()
    assert cluster.processes() == {}


@pytest.mark.sqlite_only
def test_a_stuck_cluster_ends_all_the_same(start: Start) -> None:
    cluster = start()
    for pid in wait_until(lambda: len(cluster.workers) == 2 and cluster.workers):
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: len(cluster.workers) == 2, message="There are new workers")
    assert end(cluster) == 0
    assert cluster.processes() == {}


@pytest.mark.sqlite_only
@pytest.mark.parametrize("also_its_cluster", [False, True])
def test_nothing_outlives_it(start: Start, also_its_cluster: bool) -> None:
    cluster = start()
    assert cluster.process is not None
    cluster.process.kill()
    if also_its_cluster:
        os.kill(cluster.main, signal.SIGKILL)
    wait_until(lambda: not cluster.processes(), 30, "Nothing is left")


# Starting ---------------------------------------------------------------------------------

ENDS_AT_ONCE = """
import pathlib, os, signal, sys
starts = pathlib.Path(sys.argv[1])
with starts.open("a") as file:
    file.write("x")
if len(starts.read_text()) == 3:
    os.kill(os.getppid(), signal.SIGTERM)
sys.exit(3)
"""


@pytest.mark.sqlite_only
def test_a_cluster_that_ends_at_once_is_started_again_after_pauses(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    command = [sys.executable, "-c", ENDS_AT_ONCE, str(tmp_path / "starts")]
    assert Watchdog(command, silence=30, grace=5).run() == 0
    assert (tmp_path / "starts").read_text() == "xxx"
    again = "The cluster has ended by itself (exit code 3). Starting it again."
    assert caplog.messages.count(again) >= 2
