"""Whether the cluster works: its sign of life, its tick, its queue, its settings."""

import datetime
from collections.abc import Iterator

from django.conf import settings
from django.core import checks
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from automation.events.cluster.heartbeat import at_work
from automation.events.health import Examination, Finding, Level, examinations, words
from automation.events.schedule import SILENCE, TICK_NAME, TICK_TASK, is_silent, signs_of_life

#: So many tasks in the queue are more than bells: nobody takes them.
MANY_TASKS = 10_000


def _cluster(now: datetime.datetime) -> Iterator[Finding]:
    if is_silent(now):
        yield Finding(
            Level.PROBLEM,
            _("The cluster does not run: nothing is sent, and no generator runs."),
            _("Start it (manage.py run_cluster), or restart it. Its log says why it ended. Nothing "
              "is lost meanwhile."),
        )  # fmt: skip
        return
    beats = signs_of_life()
    if not beats:
        yield Finding(
            Level.WARNING,
            _("No cluster is at work yet, or it has just ended."),
            _("Start one: manage.py run_cluster."),
        )
        return
    working = [name for name, beaten_at in beats if beaten_at >= now - SILENCE]
    yield Finding(
        Level.OK,
        ngettext(
            "%(count)d cluster is at work: %(names)s",
            "%(count)d clusters are at work: %(names)s",
            len(working),
        )
        % {"count": len(working), "names": ", ".join(working)},
    )
    releases = {beat.release for beat in at_work(now, SILENCE)}
    if len(releases) > 1:
        yield Finding(
            Level.WARNING,
            _("Clusters of several releases are at work: %s") % ", ".join(sorted(releases)),
            _("Restart those of the earlier release soon. Until then switch on nothing that is new "
              "in this release, and erase nobody: the earlier one does not know of it."),
        )  # fmt: skip
    gone = [name for name, _beaten_at in beats if name not in working]
    if gone:
        yield Finding(
            Level.WARNING,
            _("These clusters were at work today and ended without a word: %s") % ", ".join(gone),
            _("Start them again if they are meant to run. They are forgotten after a day."),
        )


def _tick(now: datetime.datetime) -> Iterator[Finding]:
    from django_q.models import Schedule

    advice = _(
        "Delete “%(name)s” from the scheduled tasks in the admin, each time it is there, then run "
        "manage.py migrate."
    ) % {"name": TICK_NAME}
    ticks = list(Schedule.objects.filter(func=TICK_TASK))
    if not ticks:
        yield Finding(
            Level.PROBLEM,
            _("The tick is not among the scheduled tasks: what is due is not found."),
            _("Run manage.py migrate."),
        )
    elif len(ticks) > 1:
        yield Finding(
            Level.WARNING,
            _("The tick is scheduled %(count)d times.") % {"count": len(ticks)},
            advice,
        )
    elif wrong := _changed(ticks[0]):
        yield Finding(
            Level.PROBLEM,
            _("The tick was changed by hand: %(fields)s.") % {"fields": ", ".join(wrong)},
            advice,
        )
    else:
        yield Finding(Level.OK, _("The tick is scheduled, once a minute."))


def _changed(tick: object) -> list[str]:
    expected = {
        "name": (TICK_NAME,),
        "schedule_type": ("I",),
        "minutes": (1,),
        "repeats": (-1,),
        "args": (None, ""),
        "kwargs": (None, ""),
        "hook": (None, ""),
    }
    return [name for name, right in expected.items() if getattr(tick, name) not in right]


def queue_size() -> int:
    """How many tasks wait in the queue. Raises whatever its broker raises."""
    from django_q.brokers import get_broker

    broker = get_broker()
    broker.ping()
    return int(broker.queue_size())


def _queue(now: datetime.datetime) -> Iterator[Finding]:
    try:
        size = queue_size()
    except Exception as error:
        yield Finding(
            Level.PROBLEM,
            _("The queue is out of reach: %s") % words(error),
            _("Start Redis, or correct REDIS_URL (Q_CLUSTER). Nothing is lost meanwhile."),
        )
        return
    said = ngettext(
        "%(count)d task waits in the queue.", "%(count)d tasks wait in the queue.", size
    ) % {"count": size}
    if size > MANY_TASKS:
        yield Finding(
            Level.WARNING,
            said,
            _("Nobody takes them fast enough. Does the cluster work? Does it have the same queue, "
              "and the same name (Q_CLUSTER), as this process?"),
        )  # fmt: skip
    else:
        yield Finding(Level.OK, said)


def _checks(now: datetime.datetime) -> Iterator[Finding]:
    """The errors of all system checks, and the warnings of the product's own."""
    ours = examinations.apps | {"automation_rules"}
    found = [
        message
        for message in checks.run_checks()
        if not message.is_silenced()
        and (message.is_serious() or (_app(message) in ours and message.level >= checks.WARNING))
    ]
    for message in found:
        level = Level.PROBLEM if message.is_serious() else Level.WARNING
        yield Finding(level, f"{message.id}: {message.msg}", str(message.hint or ""))
    if not found:
        yield Finding(Level.OK, _("The system checks find nothing."))


def _app(message: checks.CheckMessage) -> str:
    return str(message.id).rpartition(".")[0]


def _settings(now: datetime.datetime) -> Iterator[Finding]:
    public = [host for host in settings.ALLOWED_HOSTS if not _is_local(host)]
    if settings.DEBUG and public:
        yield Finding(
            Level.PROBLEM,
            _("DEBUG is on, and others reach this site as %(host)s: its errors show them secrets.")
            % {"host": public[0]},
            _("Switch DEBUG off."),
        )
    if not settings.USE_TZ:
        yield Finding(
            Level.PROBLEM,
            _("USE_TZ is off: moments without a time zone are evaluated wrongly."),
            _("Switch USE_TZ on."),
        )


def _is_local(host: str) -> bool:
    name = host.rpartition(":")[0] if host.count(":") == 1 else host
    return name in ("localhost", "127.0.0.1", "[::1]", "::1", "testserver") or name.endswith(
        ".localhost"
    )


def register() -> None:
    app = "automation_events"
    for examination in (
        Examination("cluster", gettext_lazy("The cluster"), app, _cluster, cheap=True),
        Examination("tick", gettext_lazy("The tick"), app, _tick),
        Examination("queue", gettext_lazy("The queue"), app, _queue, asks_database=_in_database()),
        Examination("checks", gettext_lazy("The checks"), app, _checks, asks_database=False),
        Examination("settings", gettext_lazy("Settings"), app, _settings, asks_database=False),
    ):
        examinations.register(examination)


def _in_database() -> bool:
    return "orm" in getattr(settings, "Q_CLUSTER", {})
