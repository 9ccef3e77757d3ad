"""Running a generator because somebody asked for it: here if that is quick, else in the
cluster."""

import datetime

from django.contrib import messages
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from automation.events import bell
from automation.rules.models import BrokenRule
from generators import running
from generators.models import Generator, State
from generators.running import Outcome
from generators.tasks import RUN_TASK

# More new rows than this are recorded by the cluster: a page should not take so long.
RUN_HERE = 2_000


def run_now(generator: Generator, now: datetime.datetime) -> tuple[int, str]:
    """Run ``generator`` at ``now`` (aware) if it is armed. Returns what came of it: a level of
    ``django.contrib.messages`` and the message for people. A rule that cannot be asked pauses
    its generator."""
    if generator.state != State.ARMED:
        return messages.WARNING, _("Arm it first: what is not armed makes no events.")
    try:
        new = running.without_events(generator.rows(now), generator, now).count()
    except BrokenRule as error:
        generator.pause(str(error))
        return messages.ERROR, str(error)
    if new > RUN_HERE:
        run_in_background(generator, now)
        said = _("%(count)d new events are being made in the background. They appear under “Runs”.")
        return messages.INFO, said % {"count": new}
    return _told(running.run(generator, now))


def run_in_background(generator: Generator, now: datetime.datetime) -> tuple[int, str]:
    """Let the cluster run ``generator``, which is armed. Returns what ``run_now`` returns."""
    Generator.objects.filter(pk=generator.pk).update(next_run_at=now)
    bell.enqueue(RUN_TASK, generator.pk)
    return messages.INFO, _("It is run in the background.")


def _told(outcome: Outcome | None) -> tuple[int, str]:
    """What came of a run, None if another worker is at it."""
    if outcome is None:
        return messages.INFO, _("It is running at this very moment.")
    if outcome.error:
        return messages.ERROR, outcome.error
    said = ngettext(
        "%(matched)d of %(looked_at)d match, %(new)d is new.",
        "%(matched)d of %(looked_at)d match, %(new)d are new.",
        outcome.new,
    )
    return messages.SUCCESS, said % {
        "looked_at": outcome.looked_at,
        "matched": outcome.matched,
        "new": outcome.new,
    }
