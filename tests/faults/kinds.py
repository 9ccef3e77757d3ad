"""The kinds of fault: each does its harm at once and says when it is over."""

import random
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.faults.processes import Cluster, send
from tests.faults.scene import Scene


@dataclass
class Fault:
    """One thing that was broken. ``bound``: how many mails it may leave unknown at most."""

    kind: str
    at: float
    bound: int = 0
    #: Whether processes were killed, so that sending may pause until others take over.
    kills: bool = False
    #: Seconds until ``repair`` has to be called, and what it does.
    lasts: float = 0
    repair: Callable[[], object] | None = None
    over: float = 0
    unknown: int = 0


@dataclass
class Breaker:
    """Breaks things of a scene, by chance but repeatably."""

    scene: Scene
    random: random.Random
    lease: float
    going_on: list[Fault] = field(default_factory=list)

    def kinds(self) -> dict[str, Callable[[], Fault | None]]:
        """Every kind, by the name that it has in the report."""
        found: dict[str, Callable[[], Fault | None]] = {
            "a worker killed": self.kill_worker,
            "the sentinel killed": self.kill_sentinel,
            "the main process killed": self.kill_main,
            "the whole cluster killed": self.kill_cluster,
            "a worker paused for longer than its lease": self.pause_worker,
            "the whole cluster paused for longer than a lease": self.pause_cluster,
            "SIGTERM to the whole group": self.terminate_group,
            "the mail server down": self.server_down,
            "hung up after a mail was accepted": self.hang_up_after,
            "hung up before a mail was accepted": self.hang_up_before,
            "421 to every mail": lambda: self.answer("421 to every mail", content="421 4.3.2 Busy"),
            "451 to every mail": lambda: self.answer(
                "451 to every mail", content="451 4.3.0 Later"
            ),
            "450 to every address": lambda: self.answer("450 to every address", rcpt="450 Later"),
            "answers late": lambda: self.answer("answers late", delay=0.5),
        }
        if self.scene.database == "postgres":
            found["database connections cut"] = self.cut_connections
        else:
            found["database locked"] = self.lock_database
        if self.scene.broker == "redis":
            found["the queue wiped"] = self.wipe_queue
        return found

    def any_kind(self, words: str = "") -> Fault | None:
        """Break something, of a kind with ``words`` in its name; None if it was not there to be
        broken."""
        kinds = self.kinds()
        if not (possible := sorted(kind for kind in kinds if words in kind)):
            raise SystemExit(f"No kind of fault has “{words}” in its name: {', '.join(kinds)}.")
        return kinds[self.random.choice(possible)]()

    def repair(self, everything: bool = False) -> None:
        """End what is over, or all of it."""
        for fault in list(self.going_on):
            if everything or time.time() >= fault.at + fault.lasts:
                if fault.repair is not None:
                    fault.repair()
                fault.over = time.time()
                self.going_on.remove(fault)

    def database_may_be_locked(self) -> bool:
        """Whether who writes now might wait for what only ``repair`` ends: on SQLite a paused
        process may hold the lock."""
        if self.scene.database != "sqlite":
            return False
        return any("paused" in f.kind or "locked" in f.kind for f in self.going_on)

    # Processes ---------------------------------------------------------------------------------

    def kill_worker(self) -> Fault | None:
        _cluster, pid = self._worker()
        if not pid or not send(pid, signal.SIGKILL):
            return None
        return self._happened("a worker killed", bound=1, kills=True)

    def kill_sentinel(self) -> Fault | None:
        cluster = self._cluster()
        pid = cluster.sentinel()
        if not pid or not send(pid, signal.SIGKILL):
            return None
        # What watches over it kills the workers that are left without it.
        return self._happened("the sentinel killed", bound=self._workers(cluster), kills=True)

    def kill_main(self) -> Fault | None:
        cluster = self._cluster()
        bound, pid = self._workers(cluster), cluster.main()
        if not pid or not send(pid, signal.SIGKILL):
            return None
        return self._happened("the main process killed", bound=bound, kills=True)

    def kill_cluster(self) -> Fault | None:
        cluster = self._cluster()
        bound = self._workers(cluster)
        cluster.kill()
        return self._happened("the whole cluster killed", bound=bound, kills=True)

    def terminate_group(self) -> Fault | None:
        cluster = self._cluster()
        bound = self._workers(cluster)
        if cluster.runs:
            cluster.terminate_group()
        return self._happened("SIGTERM to the whole group", bound=bound, kills=True)

    def pause_worker(self) -> Fault | None:
        _cluster, pid = self._worker()
        if not pid or not send(pid, signal.SIGSTOP):
            return None
        return self._happened(
            "a worker paused for longer than its lease",
            bound=1,
            lasts=self.lease * self.random.uniform(1.2, 1.8),
            repair=lambda: send(pid, signal.SIGCONT),
        )

    def pause_cluster(self) -> Fault | None:
        cluster = self._cluster()
        pids = [seen.pid for seen in cluster.family()]
        for pid in pids:
            send(pid, signal.SIGSTOP)

        def go_on() -> None:
            for pid in pids:
                send(pid, signal.SIGCONT)

        return self._happened(
            "the whole cluster paused for longer than a lease",
            bound=self._workers(cluster),
            lasts=self.lease * self.random.uniform(1.2, 1.5),
            repair=go_on,
        )

    # The mail server ---------------------------------------------------------------------------

    def server_down(self) -> Fault | None:
        server, bound = self.scene.mail_server, sum(map(self._workers, self.scene.clusters))
        server.behave(down=True)
        return self._happened(
            "the mail server down",
            bound=bound,
            lasts=self.random.uniform(0.5, 4),
            repair=lambda: server.behave(down=False),
        )

    def hang_up_after(self) -> Fault | None:
        self.scene.mail_server.behave(drop_after=1)
        return self._happened("hung up after a mail was accepted", bound=1)

    def hang_up_before(self) -> Fault | None:
        self.scene.mail_server.behave(drop_before=1)
        return self._happened("hung up before a mail was accepted", bound=1)

    def answer(self, kind: str, **behaviour: object) -> Fault | None:
        server = self.scene.mail_server
        server.behave(**behaviour)
        well = {name: 0 if name == "delay" else "" for name in behaviour}
        return self._happened(
            kind, lasts=self.random.uniform(0.2, 1.5), repair=lambda: server.behave(**well)
        )

    # The database and the queue ----------------------------------------------------------------

    def cut_connections(self) -> Fault | None:
        """Of everybody but this process."""
        from django.db import connection

        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        bound = sum(map(self._workers, self.scene.clusters))
        return self._happened("database connections cut", bound=bound, kills=True)

    def lock_database(self) -> Fault | None:
        """For less than the time that a writer waits (docs/deployment.md)."""
        import sqlite3

        from django.db import connection

        other = sqlite3.connect(connection.settings_dict["NAME"], timeout=20, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")

        def unlock() -> None:
            other.rollback()
            other.close()

        bound = sum(map(self._workers, self.scene.clusters))
        return self._happened(
            "database locked", bound=bound, lasts=self.random.uniform(1, 4), repair=unlock
        )

    def wipe_queue(self) -> Fault | None:
        from django_q.brokers import get_broker

        get_broker().delete_queue()
        return self._happened("the queue wiped")

    # Who ---------------------------------------------------------------------------------------

    def _happened(self, kind: str, **what: object) -> Fault:
        fault = Fault(kind, time.time(), **what)  # type: ignore[arg-type]
        self.going_on.append(fault)
        return fault

    def _cluster(self) -> Cluster:
        return self.random.choice(self.scene.clusters)

    def _worker(self) -> tuple[Cluster, int]:
        """A busy worker, or an idle one if there is none."""
        cluster = self._cluster()
        workers = cluster.workers("busy") or cluster.workers("idle")
        return cluster, self.random.choice(sorted(workers)) if workers else 0

    def _workers(self, cluster: Cluster) -> int:
        from django_q.conf import Conf

        return int(Conf.WORKERS)
