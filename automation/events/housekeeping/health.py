"""Whether what is too old goes: kinds of data of which the pruning failed or does not end."""

import datetime
from collections.abc import Iterator

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from automation.events.health import Examination, Finding, Level, examinations
from automation.events.housekeeping.chore import chores
from automation.events.housekeeping.pruning import Pruning

#: A pruning that was begun earlier and is not over does not keep up, or nobody is at it.
SLOW = datetime.timedelta(days=1)


def _pruning(now: datetime.datetime) -> Iterator[Finding]:
    for pruning in Pruning.objects.filter(name__in=chores.names).order_by("pk"):
        chore = chores.get(pruning.name)
        told = {"kind": chore.label if chore else pruning.name, "error": pruning.error}
        if pruning.error:
            yield Finding(
                Level.WARNING,
                _("Old data could not be removed (%(kind)s): %(error)s") % told,
                _("Look at the error; manage.py prune does the same at once."),
            )
        elif pruning.is_open and pruning.begun_at < now - SLOW:
            yield Finding(
                Level.WARNING,
                _("Removing old data has taken more than a day and goes on (%(kind)s).") % told,
                _("Let manage.py prune run for as long as it takes."),
            )


def register() -> None:
    examinations.register(
        Examination("pruning", gettext_lazy("What is too old"), "automation_events", _pruning)
    )
