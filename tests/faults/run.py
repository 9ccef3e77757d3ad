"""The fault test: many mails, many faults at random instants, and then it counts."""

import random
import time
from dataclasses import dataclass, field
from typing import Any

from tests.faults.kinds import Breaker, Fault
from tests.faults.report import Figures, Row, count
from tests.faults.scene import Scene

#: How often the tick is rung here; the schedule has it once a minute.
TICK_EVERY = 2.0

#: A plain qcluster that takes no task for so long is started again, as an operator would.
DEAF_AFTER = 12.0


@dataclass
class Run:
    """One run of the test in a scene."""

    scene: Scene
    mails: int
    faults: int
    seed: int
    clusters: int = 1
    command: str = ""
    #: Only kinds of fault with these words in their name.
    only: str = ""
    #: Seconds for all of it; what is unfinished then is a problem of the report.
    patience: float = 1800
    happened: list[Fault] = field(default_factory=list)
    revived: int = 0
    _next_tick: float = 0

    def __call__(self) -> Figures:
        from automation.rules import conf

        breaker = Breaker(self.scene, random.Random(self.seed), conf.get().DELIVERY_LEASE)
        self.scene.record(self.mails)
        for _cluster in range(self.clusters):
            self.scene.start_cluster(self.command)
        self._wait(lambda: self._accepted() > 0, 60, breaker)
        if not self._accepted():
            raise SystemExit(f"Nothing is sent:\n{self.scene.clusters[0].log()[-3000:]}")
        began = time.time()
        end = began + self.patience
        try:
            self._break_things(breaker, end)
            faults_over = time.time()
            breaker.repair(everything=True)
            self.scene.mail_server.behave_well()
            self._wait(self._is_all_done, end - time.time(), breaker)
        finally:
            breaker.repair(everything=True)
        for cluster in self.scene.clusters:
            cluster.stop()
        return self._figures(began, faults_over)

    def _break_things(self, breaker: Breaker, end: float) -> None:
        """A fault each time that so many more mails are out, or a while has passed."""
        for number in range(1, self.faults + 1):
            goal = self.mails * number // (self.faults + 1)
            goal -= breaker.random.randrange(max(self.mails // (self.faults + 1), 1))
            self._wait(lambda goal=goal: self._accepted() >= goal, 10, breaker)  # type: ignore[misc]
            time.sleep(breaker.random.uniform(0, 0.1))
            fault = None
            while fault is None and time.time() < end:
                self._keep_going(breaker)
                fault = breaker.any_kind(self.only)
            if fault is not None:
                self.happened.append(fault)

    def _wait(self, condition: Any, seconds: float, breaker: Breaker) -> None:
        end = time.time() + seconds
        while not condition() and time.time() < end:
            self._keep_going(breaker)
            time.sleep(0.05)

    def _keep_going(self, breaker: Breaker) -> None:
        """What a machine and its operator do: end what is over, start what has ended, tick."""
        breaker.repair()
        if time.time() < self._next_tick:
            return
        self._next_tick = time.time() + TICK_EVERY
        paused = any("paused" in fault.kind for fault in breaker.going_on)
        for cluster in self.scene.clusters:
            if not cluster.runs or (not cluster.watches_itself and cluster.sentinel() is None):
                cluster.kill()
                cluster.start()
            elif not (cluster.watches_itself or paused) and _is_deaf(cluster):
                self.revived += 1
                cluster.kill()
                cluster.start()
        if not breaker.database_may_be_locked():
            self.scene.tick()
            self.scene.hurry()

    def _accepted(self) -> int:
        return len(self.scene.mail_server.accepted())

    def _is_all_done(self) -> bool:
        from django.db.models import Q

        from automation.events.states import State
        from mails.models import Message

        # Unknown ones that a worker still holds may become sent.
        open_ones = Q(state__in=[State.QUEUED, State.SENDING])
        return not Message.objects.filter(open_ones).exists()

    def _figures(self, began: float, faults_over: float) -> Figures:
        accepted = self.scene.mail_server.accepted()
        figures = Figures(
            self.scene.database, self.scene.broker, self.scene.clusters[0].command, self.seed,
            self.mails, len(self.happened), revived=self.revived,
        )  # fmt: skip
        during = sum(began <= when <= faults_over for when, _identity in accepted)
        figures.seconds = max((when for when, _identity in accepted), default=began) - began
        figures.per_second = during / max(faults_over - began, 0.001)
        return count(figures, accepted, rows(), self.happened)


def rows() -> list[Row]:
    from mails.building import message_id
    from mails.models import Message

    return [
        Row(message_id(uuid), state, cause, handed.timestamp() if handed else None)
        for uuid, state, cause, handed in Message.objects.values_list(
            "uuid", "state", "cause", "handed_at"
        )
    ]


def _is_deaf(cluster: Any) -> bool:
    return not cluster.workers("busy") and time.time() - cluster.last_sign() > DEAF_AFTER
