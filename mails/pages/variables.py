"""The list beside the editor: what a mail can say of the events that it is for."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from automation.events.event import GROUP_LENGTH
from automation.rules import plain
from mails.designs import Snippet
from mails.variables import variables


def context_of(model_admin: admin.ModelAdmin, request: HttpRequest, group: str) -> Any:
    """What the list beside the editor shows. Values of a row are for those who may see mails."""
    group = plain.text(group).strip()[:GROUP_LENGTH]
    may_look = model_admin.has_view_permission(request)
    return {
        "group": group,
        "variables": variables(group, with_sample=may_look),
        "snippets": Snippet.objects.defer("body"),
    }


def page(model_admin: admin.ModelAdmin, request: HttpRequest) -> HttpResponse:
    """The list for the group that stands in the form, saved or not."""
    if not (model_admin.has_view_permission(request) or model_admin.has_add_permission(request)):
        raise PermissionDenied
    context = context_of(model_admin, request, request.GET.get("group", ""))
    return TemplateResponse(request, "admin/mails/variables.html", context)
