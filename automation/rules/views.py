"""Which rows match now: the page behind "Look" and "Which match now?"."""

from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _

from automation.rules.fields import Field
from automation.rules.models import BrokenRule, Rule

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
        **matches(rule),
    }
    return TemplateResponse(request, "admin/automation_rules/preview.html", context)


def matches(rule: Rule) -> dict[str, Any]:
    """The counts and first rows of ``rule`` for a page, or the reason why there are none."""
    now = timezone.now()
    try:
        source = rule.source_or_error()
        rows = rule.rows(now)
    except BrokenRule as error:
        return {"error": str(error), "sentence": rule.sentence()}
    paths = [
        path
        for path in dict.fromkeys(c.field for c in rule.conditions.all())
        if path in source.resolved_fields
    ]
    fields = [source.field(path) for path in paths]
    first = list(rows.order_by("-pk").values_list("pk", *paths)[:ROWS])
    instances = source.model._default_manager.in_bulk([values[0] for values in first])
    return {
        "sentence": rule.sentence(),
        "source": source,
        "matching": rows.count(),
        "total": source.rows([]).count(),
        "fields": fields,
        "rows": [
            (instances.get(pk, pk), [_shown(*pair) for pair in zip(fields, values, strict=True)])
            for pk, *values in first
        ],
    }


def _shown(field: Field, value: Any) -> Any:
    """A choice by its label; the rest as the page's template prints it."""
    return field.display(value) if field.choices and value is not None else value
