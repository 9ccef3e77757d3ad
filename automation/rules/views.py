"""Which rows match now: the page behind "Look" and "Which match now?"."""

import datetime
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import F, prefetch_related_objects
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.template.response import TemplateResponse
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext as _

from automation.rules.conditions import Question, prepared
from automation.rules.counting import counted
from automation.rules.explaining import shown
from automation.rules.fields import Kind
from automation.rules.forms import read_what_they_name
from automation.rules.models import BrokenRule, Rule
from automation.rules.panel import panel
from automation.rules.sources import UnknownField

if TYPE_CHECKING:
    from automation.rules.admin import RuleAdmin

ROWS = 20


def preview(model_admin: admin.ModelAdmin, request: HttpRequest, object_id: str) -> HttpResponse:
    """How many rows match and the first of them, with the values the conditions look at."""
    rule = model_admin.get_object(request, unquote(object_id))
    if rule is None:
        raise Http404
    if not model_admin.has_view_permission(request, rule):
        raise PermissionDenied
    context = {
        **model_admin.admin_site.each_context(request),
        "opts": model_admin.opts,
        "rule": rule,
        "title": _("Which match now?"),
        **matches(rule, timezone.now()),
    }
    return TemplateResponse(request, "admin/automation_rules/preview.html", context)


def live_panel(model_admin: "RuleAdmin", request: HttpRequest, object_id: str) -> HttpResponse:
    """A piece of the rule's page: how many rows the form means as it stands, saved or not."""
    rule = model_admin.get_object(request, unquote(object_id))
    if rule is None:
        raise Http404
    if not model_admin.has_view_permission(request, rule):
        raise PermissionDenied
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    context: dict[str, Any] = {}
    try:
        source = rule.source_or_error()
        lines = model_admin.unsaved_conditions(request, rule)
        found = panel(source, lines, rule.local(timezone.now()))
    except (BrokenRule, UnknownField) as error:
        context["error"] = str(error)
    else:
        context |= {
            "source": source,
            "panel": found,
            "lines": [
                (line.line, count)  # type: ignore[attr-defined]
                for line, count in zip(lines, found.lines, strict=True)
            ],
        }
    return TemplateResponse(request, "admin/automation_rules/panel.html", context)


def matches(rule: Rule, now: datetime.datetime) -> dict[str, Any]:
    """The counts and first rows of ``rule`` at ``now`` (aware) for a page, or the reason why
    there are none."""
    prefetch_related_objects([rule], "conditions")
    read_what_they_name(rule.conditions.all())
    sentence = rule.sentence()
    try:
        source = rule.source_or_error()
        rows = rule.rows(now)
        _all, questions = prepared(source, rule.conditions.all(), rule.local(now))
    except BrokenRule as error:
        return {"error": str(error), "sentence": sentence}
    except UnknownField as error:
        return {"error": str(error), "sentence": sentence}
    looked_at = _looked_at(questions)
    columns = {f"_column{n}": F(question.path) for n, question in enumerate(looked_at)}
    first = list(rows.order_by("-pk").annotate(**columns).values_list("pk", *columns)[:ROWS])
    instances = source.model._default_manager.in_bulk([values[0] for values in first])
    local, matching = rule.local(now), counted(rows)
    return {
        "sentence": sentence,
        "source": source,
        "matching": matching,
        "has_more": matching.number is None or matching.number > len(first),
        "total": counted(source.rows([])),
        "fields": [question.subject for question in looked_at],
        "rows": [
            (
                linked(source.model._meta, pk, str(instances.get(pk, pk))),
                [
                    shown(question.subject, value, local)
                    for question, value in zip(looked_at, values, strict=True)
                ],
            )
            for pk, *values in first
        ],
    }


def _looked_at(questions: list[Question]) -> list[Question]:
    """The questions that have a value to show, each value once."""
    found: dict[str, Question] = {}
    for question in questions:
        if question.subject.kind != Kind.OTHER:
            # What an expression stands for depends on more than its name, as on a span of time.
            known_by = question.condition.field if question.path[0] != "_" else question.path
            found.setdefault(known_by, question)
    return list(found.values())


def linked(opts: Any, pk: Any, label: str) -> str:
    """A link to a row's page, or its bare name where it has none."""
    try:
        url = reverse(f"admin:{opts.app_label}_{opts.model_name}_change", args=[pk])
    except NoReverseMatch:
        return label
    return format_html('<a href="{}">{}</a>', url, label)
