"""The steps of a generator's life as pages: armed, paused, run now."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from automation.events import bell
from automation.events.groups import overlap
from automation.events.models import Action
from automation.rules.models import BrokenRule
from automation.rules.templating import TemplateError
from generators import running
from generators.models import Generator, Run, RunState, State
from generators.producing import group_pattern
from generators.tasks import RUN_TASK

# More new rows than this are recorded by the cluster: a page should not take so long.
RUN_HERE = 2_000
SAMPLE = 5


def arm(model_admin: admin.ModelAdmin, request: HttpRequest, pk: int) -> HttpResponse:
    """Ask before arming: how many events there will be at once, and whom they reach."""
    generator = _permitted(model_admin, request, pk)
    if request.method == "POST":
        try:
            generator.arm(timezone.now())
        except ValidationError as error:
            for message in error.messages:
                messages.error(request, message)
            return _to_page(generator)
        _log(request, generator, "armed")
        messages.success(
            request, _("%(name)s is armed. Its first run is within a minute.") % {"name": generator}
        )
        return _to_page(generator)
    context = {
        **model_admin.admin_site.each_context(request),
        "opts": model_admin.opts,
        "generator": generator,
        "title": _("Arm “%(name)s”?") % {"name": generator},
        **_prospect(generator),
    }
    return TemplateResponse(request, "admin/generators/arm.html", context)


def pause(model_admin: admin.ModelAdmin, request: HttpRequest, pk: int) -> HttpResponse:
    generator = _permitted(model_admin, request, pk)
    if request.method == "POST":
        generator.pause()
        _log(request, generator, "paused")
        messages.success(request, _("%(name)s is paused.") % {"name": generator})
    return _to_page(generator)


def run(model_admin: admin.ModelAdmin, request: HttpRequest, pk: int) -> HttpResponse:
    """Run an armed generator now: here if it is quick, else in the cluster."""
    generator = _permitted(model_admin, request, pk)
    if request.method != "POST":
        return _to_page(generator)
    if generator.state != State.ARMED:
        messages.warning(request, _("Arm it first: what is not armed makes no events."))
        return _to_page(generator)
    now = timezone.now()
    try:
        new = running.without_events(generator.rows(now), generator, now).count()
    except BrokenRule as error:
        generator.pause(str(error))
        messages.error(request, str(error))
        return _to_page(generator)
    _log(request, generator, "run now")
    if new > RUN_HERE:
        Generator.objects.filter(pk=pk).update(next_run_at=now)
        bell.enqueue(RUN_TASK, pk)
        messages.info(
            request,
            _("%(count)d new events are being made in the background. They appear under runs.")
            % {"count": new},
        )
        return _to_page(generator)
    outcome = running.run(generator, now)
    if outcome is None:
        messages.info(request, _("It is running at this very moment."))
    elif outcome.error:
        messages.error(request, outcome.error)
    else:
        messages.success(
            request,
            _("Looked at %(looked_at)d, %(matched)d match, %(new)d are new.")
            % {"looked_at": outcome.looked_at, "matched": outcome.matched, "new": outcome.new},
        )
    return _to_page(generator)


def facts(generator: Generator) -> dict[str, Any]:
    """What a generator's page shows beside its form: whom it reaches, and its last runs."""
    return {
        "reached": reached(generator),
        "runs": [(run, run_sentence(run)) for run in generator.runs.all()[:10]],
        "is_armed": generator.state == State.ARMED,
    }


def reached(generator: Generator) -> list[Action]:
    """The actions that may hear the events of ``generator``."""
    pattern = group_pattern(generator.group_template)
    return [action for action in Action.objects.all() if overlap(action.group.strip(), pattern)]


def state_sentence(generator: Generator) -> str:
    """The state in words: what it does now, and why if it does nothing."""
    if generator.state == State.ARMED and generator.next_run_at:
        when = date_format(timezone.localtime(generator.next_run_at), "DATETIME_FORMAT")
        return _("Armed. Next run: %(when)s.") % {"when": when}
    if generator.state == State.PAUSED:
        return f"{_('Paused.')} {generator.state_reason}".strip()
    return _("A draft: it makes no events until it is armed.")


def run_sentence(run: Run) -> str:
    """A run in words."""
    if run.state == RunState.FAILED:
        return _("failed: %(error)s") % {"error": run.error}
    if run.state == RunState.RUNNING:
        return _("running since %(when)s") % {
            "when": date_format(timezone.localtime(run.started_at), "DATETIME_FORMAT")
        }
    return _("%(looked_at)d looked at, %(matched)d match, %(new)d new") % {
        "looked_at": run.looked_at,
        "matched": run.matched,
        "new": run.new,
    }


def _prospect(generator: Generator) -> dict[str, Any]:
    """What would happen at once if ``generator`` were armed now."""
    now = timezone.now()
    try:
        rows = generator.rows(now)
        unseen = running.without_events(rows, generator, now)
        new = unseen.count()
        pks = list(unseen.order_by("-pk").values_list("pk", flat=True)[:SAMPLE])
        sample = list(running.events(generator, rows.filter(pk__in=pks), now))
    except (BrokenRule, TemplateError) as error:
        return {"error": str(error)}
    return {
        "sentence": generator.sentence(),
        "matching": rows.count(),
        "new": new,
        "sample": sample,
        "reached": reached(generator),
    }


def _permitted(model_admin: admin.ModelAdmin, request: HttpRequest, pk: int) -> Generator:
    generator = get_object_or_404(Generator, pk=pk)
    if not model_admin.has_change_permission(request, generator):
        raise PermissionDenied
    return generator


def _to_page(generator: Generator) -> HttpResponseRedirect:
    return HttpResponseRedirect(reverse("admin:generators_generator_change", args=[generator.pk]))


def _log(request: HttpRequest, generator: Generator, what: str) -> None:
    LogEntry.objects.log_actions(
        request.user.pk or 0, [generator], CHANGE, what, single_object=True
    )
