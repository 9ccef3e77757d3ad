"""The watchdog of a cluster: starts it, sees that its workers take tasks, and starts all of it
again when they do not.

django-q2 starts a process again that dies, but a worker that was killed while it waited for a
task may have held the lock of the queue: then nobody gets a task any more, and all look alive.
"""

import datetime
import logging
import os
import signal
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from django.db import close_old_connections
from django.utils import timezone
from django_q.conf import Conf
from django_q.tasks import async_task

from automation.events.cluster import heartbeat
from automation.events.cluster.processes import Process
from automation.events.cluster.pulse import BEAT_TASK, VARIABLE, Pulse, Signs
from automation.events.schedule import TICK_TASK

logger = logging.getLogger(__name__)

#: All in seconds. For how long a silent cluster is left alone while others take the tasks: it
#: may only have had no luck. Also the longest that one which never showed life is waited for.
PATIENCE = 600
#: A cluster none of whose workers has a task ends within this, or something is stuck.
SETTLES_WITHIN = 5
#: A cluster that ends by itself so early is started again after a growing pause.
EARLY, LONGEST_PAUSE = 60, 10
LOOK_EVERY = 0.25
#: If this process looks again only after so long, it was stopped, and the cluster may have been.
OVERSLEPT = 10


class Listening:
    """What the signs of life say, by the watchdog's own clock: ``now`` in monotonic seconds."""

    def __init__(self, workers: int, now: float) -> None:
        self.workers = workers
        self.signs = Signs(0, 0, 0, 0)
        self.has_worked = False
        self.worked_at = self.heard_at = now
        self.asked_at: float | None = None
        self.unnoted_since: float | None = None

    def hear(self, signs: Signs, now: float) -> None:
        if now - self.heard_at > OVERSLEPT:
            self.excuse(now)
        if signs.taken != self.signs.taken or signs.busy >= self.workers:
            self.has_worked, self.worked_at, self.asked_at = True, now, None
        if signs.noted != self.signs.noted or signs.noted >= signs.finished:
            self.unnoted_since = None
        elif self.unnoted_since is None:
            self.unnoted_since = now
        self.signs, self.heard_at = signs, now

    def ask(self, now: float) -> None:
        """There is a task in the queue, for any worker that is free."""
        self.asked_at = self.asked_at or now

    def excuse(self, now: float) -> None:
        """The silence so far was not the cluster's fault."""
        self.worked_at, self.asked_at = now, None
        self.unnoted_since = self.unnoted_since and now

    def quiet(self, now: float) -> float:
        """For how long no worker has taken a task, although one is free."""
        return now - self.worked_at

    def unanswered(self, now: float) -> float:
        return now - self.asked_at if self.asked_at else 0

    def unnoted(self, now: float) -> float:
        """For how long a task has been finished without its result being noted."""
        return now - self.unnoted_since if self.unnoted_since else 0


class Watchdog:
    """Runs ``command``, a ``qcluster``, until a signal comes. See ``run``."""

    def __init__(self, command: Sequence[str], *, silence: float, grace: float) -> None:
        self.command, self.silence, self.grace = list(command), silence, grace
        self.ask_after = silence / 3
        self.name = heartbeat.own_name()
        self.signals = 0
        self.out_of_reach: set[str] = set()
        self.early_ends = self.mute_starts = 0

    def run(self) -> int:
        """Return the exit code: 0, or 1 if tasks had to be broken off at the end.

        The first SIGTERM, SIGINT or SIGHUP lets the workers finish their tasks, for at most
        ``grace`` seconds; the second one ends that.
        """
        directory = tempfile.TemporaryDirectory(prefix="flint-cluster-")
        with directory as path, self._signals_end_it():
            self.pulse = Pulse(Path(path))
            self._reach("The database", heartbeat.forget_the_dead)
            in_order = True
            while not self.signals:
                self._start()
                reason = self._watch()
                if reason:
                    logger.error("%s Starting it again.", reason)
                else:
                    logger.info("Ending: the workers finish their tasks.")
                by_itself = self.cluster.exit_code is not None
                in_order = self._end()
                self._pause(by_itself)
            self._reach("The database", lambda: heartbeat.end(self.name))
        logger.info("The cluster has ended.")
        return 0 if in_order else 1

    # Starting and ending ------------------------------------------------------

    def _start(self) -> None:
        self.pulse.clear()
        environment = {**os.environ, VARIABLE: str(self.pulse.directory)}
        self.cluster = Process("qcluster", self.command, None, environment)
        self.started_at, self.started = timezone.now(), time.monotonic()
        self.listening = Listening(Conf.WORKERS, self.started)
        self.asked = self.renewed = -float("inf")
        self.others_work = self.waits_for_others = False
        logger.info("The cluster starts (process %d).", self.cluster.group)
        # What is due is found at once, and a worker has something to show life with. Not when it
        # ends early again and again: nobody would take them, and they would pile up.
        if not self.early_ends:
            self._reach("The queue", lambda: async_task(TICK_TASK))

    def _end(self) -> bool:
        """Let the workers finish their tasks, then kill what is left. False: tasks were broken
        off."""
        self.cluster.ask_to_end()
        deadline = idle_since = time.monotonic()
        deadline += self.grace
        while self.cluster.exit_code is None:
            now = time.monotonic()
            if self._busy():
                idle_since = now
            if now > min(deadline, idle_since + SETTLES_WITHIN) or self.signals > 1:
                break
            time.sleep(0.1)
        broken_off = self._busy()
        self.cluster.kill()
        if broken_off:
            logger.warning("Tasks that were broken off: %d.", broken_off)
        return not broken_off

    def _pause(self, by_itself: bool) -> None:
        """Before the next start: the longer, the oftener it has ended early by itself."""
        self.mute_starts = 0 if self.listening.has_worked else self.mute_starts + 1
        early = by_itself and time.monotonic() - self.started < EARLY
        self.early_ends = self.early_ends + 1 if early else 0
        end = time.monotonic() + min(2**self.early_ends - 1, LONGEST_PAUSE)
        while time.monotonic() < end and not self.signals:
            time.sleep(0.1)

    def _busy(self) -> int:
        return self.pulse.read(self.cluster.group).busy

    @contextmanager
    def _signals_end_it(self) -> Iterator[None]:
        def note(number: int, frame: FrameType | None) -> None:
            self.signals += 1

        before = {}
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            if signal.getsignal(number) != signal.SIG_IGN:  # as nohup wants it
                before[number] = signal.signal(number, note)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    # Watching -----------------------------------------------------------------

    def _watch(self) -> str:
        """Until a signal comes, or there is a reason to start the cluster again: that."""
        while not self.signals:
            time.sleep(LOOK_EVERY)
            code = self.cluster.exit_code
            if code is not None:
                return f"The cluster has ended by itself (exit code {code})."
            now = time.monotonic()
            self.listening.hear(self.pulse.read(self.cluster.group), now)
            self._ask(now)
            self._renew(now)
            if reason := self._stuck(now):
                return reason
        return ""

    def _ask(self, now: float) -> None:
        """After a while of quiet, put a task into the queue that any worker can show life with."""
        if min(self.listening.quiet(now), now - self.asked) < self.ask_after:
            return
        self.asked = now
        if self._reach("The directory for temporary files", self.pulse.try_to_write) and (
            self._reach("The queue", lambda: async_task(BEAT_TASK))
        ):
            self.listening.ask(now)
        else:
            self.listening.excuse(now)

    def _renew(self, now: float) -> None:
        if now - self.renewed < heartbeat.RENEWED_EVERY:
            return
        self.renewed = now
        self.others_work = False
        self._reach("The database", self._write)

    def _write(self) -> None:
        now = timezone.now()
        quiet = datetime.timedelta(seconds=self.listening.quiet(time.monotonic()))
        heartbeat.beat(self.name, max(now - quiet, self.started_at), self.started_at)
        within = datetime.timedelta(seconds=self.silence + heartbeat.RENEWED_EVERY)
        self.others_work = any(other.name != self.name for other in heartbeat.at_work(now, within))

    def _stuck(self, now: float) -> str:
        """Why the cluster should be started again, or ""."""
        listening = self.listening
        # A machine that is slow to start it gets twice the time with every start.
        silence = self.silence
        if not listening.has_worked:
            silence = max(silence, min(silence * 2**self.mute_starts, PATIENCE))
        if listening.unnoted(now) > silence:
            return f"No result of a task has been noted for {silence:g} seconds."
        if listening.quiet(now) <= silence or listening.unanswered(now) <= silence / 2:
            return ""
        if self.others_work and listening.quiet(now) <= max(PATIENCE, silence):
            if not self.waits_for_others:
                logger.info("No worker has taken a task for a while; other clusters take them.")
            self.waits_for_others = True
            return ""
        return f"No worker has taken a task for {listening.quiet(now):.0f} seconds."

    def _reach(self, what: str, action: Callable[[], object]) -> bool:
        """Do something with the database or the queue. False if it is out of reach; that is
        said once, and so is its return."""
        try:
            close_old_connections()
            action()
        except Exception as error:
            if what not in self.out_of_reach:
                logger.error("%s cannot be used: %s", what, " ".join(str(error).split()))
            self.out_of_reach.add(what)
            return False
        if what in self.out_of_reach:
            logger.info("%s can be used again.", what)
            self.out_of_reach.discard(what)
        return True
