"""What can be done with several generators at once from their list."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from generators.models import State
from generators.running_now import run_in_background, run_now

# More than these are run by the cluster: a page should not take so long.
RUN_HERE = 10


@admin.action(description=gettext_lazy("Run now"), permissions=["change"])
def run(model_admin: Any, request: HttpRequest, chosen: QuerySet[Any]) -> None:
    now = timezone.now()
    generators = list(chosen)
    armed = [generator for generator in generators if generator.state == State.ARMED]
    if armed:
        LogEntry.objects.log_actions(request.user.pk or 0, armed, CHANGE, "run now")
    for number, generator in enumerate(armed):
        level, said = (run_now if number < RUN_HERE else run_in_background)(generator, now)
        messages.add_message(request, level, f"{generator}: {said}")
    if idle := [str(generator) for generator in generators if generator not in armed]:
        said = _("Not armed, so not run: %(names)s.") % {"names": ", ".join(idle)}
        messages.warning(request, said)
