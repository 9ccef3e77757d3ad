"""Which clusters are at work: a row for each, renewed while its workers take tasks."""

import datetime
import os
import socket
from contextlib import suppress
from typing import Any

from django.db import models
from django.utils.translation import gettext_lazy
from django_q.conf import Conf

from automation import __version__
from automation.events.cluster import pulse

#: A watchdog renews its row so often, in seconds.
RENEWED_EVERY = 10
#: The row of a cluster that has been silent for so long is removed.
FORGOTTEN_AFTER = datetime.timedelta(days=1)


class Heartbeat(models.Model):
    """A cluster. ``beaten_at`` is when a worker of it last took a task or was seen at one.

    ``run_cluster`` renews its row every ten seconds, and removes it when it ends in order. A
    plain ``qcluster`` is known by its host, and renewed by the tick, once a minute.
    """

    name = models.CharField(gettext_lazy("name"), max_length=255, unique=True)
    host = models.CharField(gettext_lazy("host"), max_length=255)
    started_at = models.DateTimeField(gettext_lazy("started at"))
    beaten_at = models.DateTimeField(gettext_lazy("last seen at work"))
    workers = models.PositiveSmallIntegerField(gettext_lazy("workers"))
    release = models.CharField(gettext_lazy("release"), max_length=50)

    class Meta:
        verbose_name = gettext_lazy("cluster")
        verbose_name_plural = gettext_lazy("clusters")
        ordering = ("name",)
        default_permissions = ()

    def __str__(self) -> str:
        return self.name


def beat(
    name: str, beaten_at: datetime.datetime, started_at: datetime.datetime | None = None
) -> None:
    """Write down that the cluster ``name`` was at work at ``beaten_at`` (aware)."""
    known: dict[str, Any] = {"beaten_at": beaten_at, "workers": Conf.WORKERS}
    known |= {"host": host(), "release": __version__}
    if started_at is not None:
        known["started_at"] = started_at
    Heartbeat.objects.update_or_create(
        name=name, defaults=known, create_defaults={"started_at": beaten_at, **known}
    )


def beat_with_tick(now: datetime.datetime, **kwargs: Any) -> None:
    """Once a minute, in a worker: a cluster without a watchdog is at work; forget old ones."""
    if not pulse.is_watched():
        beat(host(), now)
    Heartbeat.objects.filter(beaten_at__lt=now - FORGOTTEN_AFTER).delete()


def at_work(now: datetime.datetime, within: datetime.timedelta) -> list[Heartbeat]:
    """The clusters that were at work ``within`` so long before ``now``."""
    return list(Heartbeat.objects.filter(beaten_at__gte=now - within))


def end(name: str) -> None:
    """The cluster has ended, and nobody needs to miss it."""
    Heartbeat.objects.filter(name=name).delete()


def forget_the_dead() -> None:
    """Remove what watchdogs of this host left that were killed."""
    for heartbeat in Heartbeat.objects.filter(host=host(), name__startswith=f"{host()}:"):
        pid = heartbeat.name.rpartition(":")[2]
        if pid.isdecimal() and not _lives(int(pid)):
            heartbeat.delete()


def own_name() -> str:
    """The name of the cluster that this process watches."""
    return f"{host()}:{os.getpid()}"


def host() -> str:
    return socket.gethostname()


def _lives(pid: int) -> bool:
    if pid == os.getpid():
        return False  # in a container, the one before had the same
    with suppress(PermissionError):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
    return True
