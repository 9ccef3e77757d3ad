"""Which rows match now: the page behind "Look" and "Which match now?", the panel beside a
rule's form, which says the same of the form as it stands, and why a row matches or does not."""

import datetime
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from django.contrib.admin.utils import label_for_field, unquote
from django.core.exceptions import PermissionDenied
from django.db.models import prefetch_related_objects
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.template.response import TemplateResponse
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.translation import gettext as _

from automation.rules import plain
from automation.rules.conditions import Asks, grouped
from automation.rules.counting import TooSlow, in_time
from automation.rules.databases import database
from automation.rules.explaining import Explanation, explain, matches, rows_meant
from automation.rules.forms import read_what_they_name
from automation.rules.models import BrokenRule, Rule
from automation.rules.panel import ROWS, Panel, panel
from automation.rules.sources import Source, UnknownField

if TYPE_CHECKING:
    from automation.rules.admin import RuleAdmin

#: How many of the matching rows the page of its own shows, and of those that share an address.
ROWS_OF_PAGE = 20


def preview(model_admin: "RuleAdmin", request: HttpRequest, object_id: str) -> HttpResponse:
    """How many rows match and the first of them, with the values the conditions look at."""
    rule = _visible(model_admin, request, object_id)
    prefetch_related_objects([rule], "conditions")
    conditions = list(rule.conditions.all())
    read_what_they_name(conditions)
    context = {
        **model_admin.admin_site.each_context(request),
        "opts": model_admin.opts,
        "rule": rule,
        "title": _("Which match now?"),
        "sentence": rule.sentence(),
        **_who_matches(model_admin, request, rule, conditions, timezone.now(), ROWS_OF_PAGE),
    }
    if "panel" in context:
        url, shown = model_admin.url_of("why", rule), context["panel"].sample
        whys = [f"{url}?{urlencode({'row': sample.pk})}" for sample in shown]
        context["rows"] = [
            (row, [*values, format_html('<a href="{}">{}</a>', why, _("Why?"))])
            for (row, values), why in zip(context["rows"], whys, strict=True)
        ]
        context["explains"] = True
    return TemplateResponse(request, model_admin.preview_template, context)


def why(model_admin: "RuleAdmin", request: HttpRequest, object_id: str) -> HttpResponse:
    """Why a row matches, or does not: each condition with the value that the row has."""
    rule = _visible(model_admin, request, object_id)
    prefetch_related_objects([rule], "conditions")
    read_what_they_name(rule.conditions.all())
    asked = plain.text(request.GET.get("row", "")).strip()
    context = {
        **model_admin.admin_site.each_context(request),
        "opts": model_admin.opts,
        "rule": rule,
        "title": _("Why, or why not?"),
        "sentence": rule.sentence(),
        "asked": asked,
        **_why(model_admin, request, rule, asked, timezone.now()),
    }
    return TemplateResponse(request, model_admin.why_template, context)


def live_panel(model_admin: "RuleAdmin", request: HttpRequest, object_id: str) -> HttpResponse:
    """A piece of the rule's page: what the form means as it stands, saved or not. Nothing is
    saved here."""
    rule = _visible(model_admin, request, object_id)
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    wrong = model_admin.take_unsaved(request, rule)
    lines = model_admin.unsaved_lines(request, rule)
    conditions, unfinished = lines.complete(), lines.unfinished()
    read_what_they_name(conditions)
    context = {
        **_who_matches(model_admin, request, rule, conditions, timezone.now(), ROWS, wrong),
        "unfinished": unfinished,
        "wrong": [(label_for_field(name, type(rule)), said) for name, said in wrong.items()],
    }
    if "panel" in context:
        counts = context["panel"].lines
        names = [line.line for line in conditions]  # type: ignore[attr-defined]
        context["line_counts"] = list(zip(names, counts, strict=True))
    return TemplateResponse(request, model_admin.panel_template, context)


def _visible(model_admin: "RuleAdmin", request: HttpRequest, object_id: str) -> Rule:
    rule: Rule | None = model_admin.get_object(request, unquote(object_id))
    if rule is None:
        raise Http404
    if not model_admin.has_view_permission(request, rule):
        raise PermissionDenied
    return rule


def _who_matches(
    model_admin: "RuleAdmin",
    request: HttpRequest,
    rule: Rule,
    conditions: Sequence[Asks],
    now: datetime.datetime,
    show: int,
    wrong: dict[str, list[str]] | None = None,
) -> dict[str, Any]:
    """The counts and the first rows of ``rule`` with these ``conditions`` for a page, or the
    reason why there are none. ``wrong`` is what cannot be used of the rule, by field."""
    try:
        source = rule.source_or_error()
        with rule.being_asked():
            first = model_admin.panel_first(rule, now)
            among = model_admin.panel_among(rule, now)
            found = panel(source, conditions, rule.local(now), show=show, first=first, among=among)
        further = model_admin.panel_further(request, rule, found, now, wrong or {})
    except (BrokenRule, UnknownField) as error:
        return {"error": str(error)}
    return {
        "source": source,
        "panel": found,
        "rows": _rows(found, further.get("columns", [])),
        **further,
    }


def _rows(found: Panel, columns: Sequence[Any]) -> list[tuple[str, list[Any]]]:
    """Each row as a link, and what is shown of it: first the further ``columns``."""
    return [
        (
            linked(found.rows.model._meta, sample.pk, str(sample.row)),
            [*(column.cells.get(sample.pk, "–") for column in columns), *sample.values],
        )
        for sample in found.sample
    ]


def _why(
    model_admin: "RuleAdmin", request: HttpRequest, rule: Rule, asked: str, now: datetime.datetime
) -> dict[str, Any]:
    """Why the row that ``asked`` means matches or does not, for a page; or which rows it may
    mean, or what is wrong with it."""
    try:
        source = rule.source_or_error()
        if not asked:
            return {"source": source}
        with in_time(database()):
            found = list(rows_meant(source, asked)[:ROWS_OF_PAGE])
            lines = explain(rule, found[0].pk, now) if len(found) == 1 else None
    except TooSlow:
        return {"error": _("It takes too long to find out.")}
    except BrokenRule as error:
        return {"error": str(error)}
    if not found:
        return {"source": source, "nothing": _nothing_meant(source, asked)}
    if lines is None:
        return {"source": source, "candidates": found}
    (row,) = found
    return {
        "source": source,
        "row": linked(row._meta, row.pk, str(row)),
        "matches": matches(lines),
        "lines": _with_alternatives(lines),
        "missed": len(_missed(lines)),
        **model_admin.why_further(request, rule, row.pk, now),
    }


def _nothing_meant(source: Source, asked: str) -> str:
    said = (
        _("Nothing in %(source)s has the number or the address “%(asked)s”.")
        if source.recipient
        else _("Nothing in %(source)s has the number “%(asked)s”.")
    )
    return said % {"source": source, "asked": asked}


def _missed(lines: Sequence[Explanation]) -> list[Explanation]:
    """The lines because of which a row does not match."""
    groups = [group for group in grouped(lines) if not any(line.passed for line in group)]
    return [line for group in groups for line in group]


def _with_alternatives(lines: Sequence[Explanation]) -> list[tuple[Explanation, bool]]:
    """Each line, and whether an alternative to it is met."""
    return [
        (line, any(line.passed for line in group)) for group in grouped(lines) for line in group
    ]


def linked(opts: Any, pk: Any, label: str) -> str:
    """A link to a row's page, or its bare name where it has none."""
    try:
        url = reverse(f"admin:{opts.app_label}_{opts.model_name}_change", args=[pk])
    except NoReverseMatch:
        return label
    return format_html('<a href="{}">{}</a>', url, label)
