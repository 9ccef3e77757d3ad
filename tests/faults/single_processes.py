"""Single faults of the cluster's processes."""

import resource
import signal
import time

from tests import machine
from tests.faults.own_servers import CannotBeShown
from tests.faults.processes import GRACE, Cluster, send
from tests.faults.scenario import (
    Scenario,
    accepted,
    check,
    expect,
    finish,
    register,
    stage,
    states,
    summary,
    wait,
)
from tests.faults.scene import Scene, usual_command

scenarios: list[Scenario] = []

MAILS = 300


def _under_way(made: Scene, mails: int = MAILS) -> Cluster:
    """A cluster in the middle of its work."""
    made.record(mails)
    cluster = made.start_cluster()
    wait(made, lambda: accepted(made) > 50, 60)
    return cluster


@register(
    scenarios,
    "every idle worker killed, then mails are recorded",
    "they go out within a minute",
)
def idle_workers_killed() -> str:
    with stage() as made:
        if usual_command() == "qcluster":
            raise CannotBeShown("there is no run_cluster")
        cluster = made.start_cluster()
        wait(made, lambda: len(cluster.workers("idle")) == 2, 60)
        time.sleep(1)
        for pid in cluster.workers("idle"):
            send(pid, signal.SIGKILL)
        killed = time.monotonic()
        made.record(MAILS)
        wait(made, lambda: accepted(made) > 0, 60)
        took = time.monotonic() - killed
        finish(made)
        check(made)
        return f"{summary(made)}; sending again after {took:.0f} s"


@register(
    scenarios,
    "SIGTERM to the whole group, then it is started again",
    "at most one for each worker is unknown, all others sent",
)
def group_terminated() -> str:
    with stage() as made:
        cluster = _under_way(made)
        cluster.terminate_group()
        # A plain qcluster may hang by that; one that watches itself lets its workers finish.
        patience = time.monotonic() + (GRACE if cluster.watches_itself else 3)
        while cluster.runs and time.monotonic() < patience:
            time.sleep(0.1)
        expect(not (cluster.watches_itself and cluster.runs), made, "it did not end")
        cluster.kill()
        cluster.start()
        finish(made)
        check(made, unknown=2)
        return summary(made)


@register(
    scenarios,
    "SIGTERM to the main process, then it is started again",
    "the workers finish; none is unknown, all are sent",
)
def stopped_as_it_should_be() -> str:
    with stage() as made:
        cluster = _under_way(made)
        expect(cluster.stop(), made, "it did not end by itself")
        cluster.start()
        finish(made)
        check(made)
        expect(states() == {"sent": MAILS}, made, "not all are sent")
        return summary(made)


@register(
    scenarios,
    "both workers paused for longer than their lease",
    "nothing comes twice, at most one for each worker is unknown",
)
def workers_paused() -> str:
    # On SQLite who is paused may hold the lock of the database, and then nobody goes on.
    if machine.postgres().at is None:
        raise CannotBeShown("PostgreSQL was not found")
    with stage("postgres") as made:
        cluster = _under_way(made, 1000)
        pids = cluster.workers("busy", "idle")
        for pid in pids:
            send(pid, signal.SIGSTOP)
        time.sleep(9)
        # Others take over meanwhile.
        made.start_cluster()
        before = accepted(made)
        wait(made, lambda: accepted(made) > before + 100, 60)
        for pid in pids:
            send(pid, signal.SIGCONT)
        finish(made)
        check(made, unknown=2)
        return f"{summary(made)}; {len(pids)} were paused"


@register(
    scenarios,
    "a mail whose rendering kills its process each time",
    "it fails for that, all others are sent",
)
def poison() -> str:
    with stage(FAULTS_RENDER="1") as made:
        made.record(100)
        made.record(1, "poison@example.com")
        made.record(MAILS - 101, start=101)
        # One that watches itself may start again in between: django-q2 can go deaf by a kill.
        cluster = made.start_cluster()
        _until_done(made, cluster, 200)
        check(made, failed=1, unknown=2)
        from mails.models import Message

        failed = Message.objects.get(state="failed")
        expect(failed.recipient == "poison@example.com", made, "another one has failed")
        expect(failed.cause == "died", made, f"it failed for “{failed.cause}”")
        return f"{summary(made)}; it has killed {failed.deaths} workers"


@register(
    scenarios,
    "a mail whose rendering takes all memory there is",
    "it fails for that, all others are sent",
)
def out_of_memory() -> str:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))

    with stage(FAULTS_RENDER="1") as made:
        made.record(100)
        made.record(1, "hungry@example.com")
        made.record(MAILS - 101, start=101)
        made.start_cluster(limits=limit)
        finish(made)
        check(made, failed=1)
        from mails.models import Message

        failed = Message.objects.get(state="failed")
        expect(failed.recipient == "hungry@example.com", made, "another one has failed")
        return f"{summary(made)}; its reason: “{failed.reason}”"


def _until_done(made: Scene, cluster: Cluster, seconds: float) -> None:
    """As an operator would, start a plain qcluster again that takes no tasks any more."""

    def step() -> bool:
        idle = time.time() - cluster.last_sign() > 12 and not cluster.workers("busy")
        if not cluster.runs or (idle and not cluster.watches_itself):
            cluster.kill()
            cluster.start()
        return not states().keys() & {"queued", "sending"}

    wait(made, step, seconds)
