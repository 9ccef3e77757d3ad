"""The steps of a generator's life as pages: armed, paused, run now."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from automation.events.admin import moment, state_badge
from automation.events.audience import audiences, whereto
from automation.events.groups import group_pattern
from automation.rules.counting import counted
from automation.rules.databases import database
from automation.rules.keys import key_text
from automation.rules.models import BrokenRule
from automation.rules.templating import TemplateError
from automation.rules.views import linked
from generators import running
from generators.models import Generator, Run, RunState, State
from generators.running_now import run_now
from generators.timing import next_runs

SAMPLE = 5


def arm(model_admin: admin.ModelAdmin, request: HttpRequest, pk: int) -> HttpResponse:
    """Ask before arming: how many events there will be at once, and whom they reach."""
    generator = _permitted(model_admin, request, pk)
    if generator.state == State.ARMED:
        messages.info(request, _("%(name)s is armed already.") % {"name": generator})
        return _to_page(generator)
    if request.method == "POST":
        try:
            generator.arm(timezone.now())
        except ValidationError as error:
            for message in _messages(error):
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
    """Run an armed generator now."""
    generator = _permitted(model_admin, request, pk)
    if request.method == "POST":
        if generator.state == State.ARMED:
            _log(request, generator, "run now")
        level, message = run_now(generator, timezone.now())
        messages.add_message(request, level, message)
    return _to_page(generator)


def facts(generator: Generator) -> dict[str, Any]:
    """What a generator's page shows beside its form: whom it reaches, and its last runs."""
    return {
        "audiences": audiences([group_pattern(generator.group_template)]),
        "runs": [
            (run, moment(run.started_at), run_sentence(run), moment(run.last_quiet_at))
            for run in generator.runs.all()[:10]
        ],
        "is_armed": generator.state == State.ARMED,
    }


def state_sentence(generator: Generator) -> str:
    """The state in words: what it does now, and why if it does nothing."""
    badge = state_badge(generator.state, generator.get_state_display())
    if generator.state == State.ARMED:
        return badge
    if generator.state == State.PAUSED:
        return format_html("{} {}", badge, generator.state_reason)
    return format_html("{} {}", badge, _("It makes no events until it is armed."))


def coming_runs(generator: Generator) -> str:
    """When it runs next: by the schedule as it is saved, in the time zone of this site."""
    # What the form was refused with may be on the instance.
    saved = Generator.objects.get(pk=generator.pk)
    try:
        zone = saved.zone()
    except BrokenRule as error:
        return str(error)
    found = next_runs(
        3,
        trigger=saved.trigger,
        after=timezone.now(),
        zone=zone,
        every_minutes=saved.every_minutes,
        at_time=saved.at_time,
        weekday=saved.weekday,
        cron=saved.cron,
    )
    if not found:
        return "–"
    times = ", ".join(moment(each) for each in found)
    return times if generator.state == State.ARMED else _("once it is armed: %s") % times


def run_sentence(run: Run) -> str:
    """A run in words."""
    if run.state == RunState.FAILED:
        return _("failed: %(error)s") % {"error": run.error}
    if run.state == RunState.RUNNING:
        return _("running since %(when)s") % {"when": moment(run.started_at)}
    return _("%(matched)d of %(looked_at)d match, %(new)d new") % {
        "looked_at": run.looked_at,
        "matched": run.matched,
        "new": run.new,
    }


def bars(numbers: list[int]) -> str:
    """Numbers of days as a small picture of bars, with their sum in words."""
    total, highest = sum(numbers), max([*numbers, 1])
    drawn = format_html_join(
        "",
        '<rect x="{}" y="{}" width="3" height="{}"/>',
        (
            (4 * day, 20 - round(20 * number / highest), 1 + round(20 * number / highest))
            for day, number in enumerate(numbers)
        ),
    )
    return format_html(
        '<svg class="bars" viewBox="0 0 {} 21" role="img" aria-label="{}">{}</svg> {}',
        4 * len(numbers),
        ngettext("%(count)d event", "%(count)d events", total) % {"count": total},
        drawn,
        total,
    )


def _prospect(generator: Generator) -> dict[str, Any]:
    """What would happen at once if ``generator`` were armed now."""
    now = timezone.now()
    if not generator.conditions.exists():
        return {"error": _("Add a condition first: without one it would mean every row there is.")}
    try:
        rows = generator.rows(now)
        unseen = running.without_events(rows, generator, now)
        pks = list(unseen.order_by("-pk").values_list("pk", flat=True)[:SAMPLE])
        first = list(running.events(generator, rows.filter(pk__in=pks), now))
    except (BrokenRule, TemplateError) as error:
        return {"error": str(error)}
    model = generator.source_or_error().model
    instances = model._default_manager.using(database()).in_bulk(pks)
    named = {
        key_text(pk): (instance._meta, pk, str(instance)) for pk, instance in instances.items()
    }
    matching, new = counted(rows), counted(unseen)
    return {
        "sentence": generator.sentence(),
        "matching": matching,
        "matching_number": matching.number or 0,
        "new": new,
        "new_number": new.number or 0,
        "sample": [
            (event, linked(*named[event.row_pk]) if event.row_pk in named else event.row_pk)
            for event in first
        ],
        "whereto": whereto(
            group_pattern(generator.group_template), [event.group for event in first]
        ),
    }


def _messages(error: ValidationError) -> list[str]:
    """What is wrong, each with the name of its field."""
    if not hasattr(error, "error_dict"):
        return list(error.messages)
    found = []
    labels = {field.name: field.verbose_name for field in Generator._meta.fields}
    for name, said in error.message_dict.items():
        label = labels.get(name, "")
        found += [f"{capfirst(label)}: {message}" if label else message for message in said]
    return found


def _permitted(model_admin: admin.ModelAdmin, request: HttpRequest, pk: int) -> Generator:
    try:
        generator = get_object_or_404(Generator, pk=pk)
    except OverflowError as error:  # SQLite's numbers end somewhere
        raise Http404 from error
    if not model_admin.has_change_permission(request, generator):
        raise PermissionDenied
    return generator


def _to_page(generator: Generator) -> HttpResponseRedirect:
    return HttpResponseRedirect(reverse("admin:generators_generator_change", args=[generator.pk]))


def _log(request: HttpRequest, generator: Generator, what: str) -> None:
    LogEntry.objects.log_actions(
        request.user.pk or 0, [generator], CHANGE, what, single_object=True
    )
