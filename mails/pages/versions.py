"""The versions of a mail as pages: what changed when, and back to one of them."""

from itertools import pairwise
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import Count
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from mails.differences import changed_parts, differences
from mails.models import Mail, Version
from mails.pages.permitted import permitted

#: So many versions are listed, the newest first.
LISTED = 100


def versions(model_admin: admin.ModelAdmin, request: HttpRequest, pk: int) -> HttpResponse:
    """All versions: when, by whom, what changed, how many messages were made from it."""
    mail = permitted(model_admin, request, pk)
    found = list(
        mail.versions.select_related("author")
        .annotate(sent=Count("messages"))
        .order_by("-number")[: LISTED + 1]
    )
    contents = [*(each.content for each in found), None]
    listed = [
        {"version": each, "changed": changed_parts(before, content)}
        for each, (content, before) in zip(found, pairwise(contents), strict=True)
        if content is not None
    ]
    context = {
        **_page(model_admin, request, mail),
        "title": _("Versions of “%(name)s”") % {"name": mail},
        "listed": listed[:LISTED],
        "has_more": len(found) > LISTED,
    }
    return TemplateResponse(request, "admin/mails/versions.html", context)


def version(
    model_admin: admin.ModelAdmin, request: HttpRequest, pk: int, number: int
) -> HttpResponse:
    """What one version changed, and how it differs from what the mail is now. A POST goes
    back to it."""
    mail = permitted(model_admin, request, pk)
    chosen = get_object_or_404(mail.versions.select_related("author"), number=number)
    if request.method == "POST":
        return _go_back(model_admin, request, mail, chosen)
    newest = mail.versions.order_by("-number").first()
    before = mail.versions.filter(number__lt=number).order_by("-number").first()
    context = {
        **_page(model_admin, request, mail),
        "title": _("Version %(number)d of “%(name)s”") % {"number": number, "name": mail},
        "version": chosen,
        "before": before,
        "is_newest": chosen == newest,
        "differences": differences(before.content if before else None, chosen.content),
        "since": differences(chosen.content, newest.content) if newest else [],
    }
    return TemplateResponse(request, "admin/mails/version.html", context)


def _go_back(
    model_admin: admin.ModelAdmin, request: HttpRequest, mail: Mail, chosen: Version
) -> HttpResponse:
    if not model_admin.has_change_permission(request, mail):
        raise PermissionDenied
    try:
        notes = mail.go_back(chosen, request.user)
    except ValidationError as error:
        messages.error(request, _("This version would not work any more, so nothing was changed."))
        for message in error.messages:
            messages.error(request, message)
        return HttpResponseRedirect(request.path)
    said = _("Went back to version %(number)d.") % {"number": chosen.number}
    LogEntry.objects.log_actions(request.user.pk or 0, [mail], CHANGE, said, single_object=True)
    messages.success(request, said)
    for note in notes:
        messages.warning(request, note)
    return HttpResponseRedirect(reverse("admin:mails_mail_versions", args=[mail.pk]))


def _page(model_admin: admin.ModelAdmin, request: HttpRequest, mail: Mail) -> dict[str, Any]:
    return {
        **model_admin.admin_site.each_context(request),
        "opts": model_admin.opts,
        "mail": mail,
        "may_change": model_admin.has_change_permission(request, mail),
    }
