"""A message as it was sent: its mail, its text, its headers, and what they were made from."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.translation import gettext as _

from automation.events.admin import data_table
from mails.building import message_id
from mails.content import File
from mails.languages import language_name
from mails.models import Message
from mails.pages.frames import framed
from mails.pages.preview import row_link
from mails.preview import SIZES


def frame(model_admin: admin.ModelAdmin, request: HttpRequest, pk: int) -> HttpResponse:
    """The HTML of a message as it was sent, for a sandboxed frame."""
    message = get_object_or_404(Message, pk=pk)
    if not model_admin.has_view_permission(request, message):
        raise PermissionDenied
    return framed(message.html, dark=bool(request.GET.get("dark")))


def as_sent(request: HttpRequest, message: Message) -> dict[str, Any]:
    """What a message's page shows below its fields."""
    size = request.GET.get("size", "")
    event = message.event.as_event()
    may_see_events = request.user.has_perm("automation_events.view_eventrecord")
    return {
        "size": size if size in SIZES else "desktop",
        "sizes": SIZES.items(),
        "dark": bool(request.GET.get("dark")),
        "headers": _headers(message),
        "attachments": _attachments(request, message),
        "language": language_name(message.language) if message.language else "",
        "row": row_link(event),
        "values": data_table(event.context) if may_see_events else "",
    }


def _headers(message: Message) -> list[tuple[str, str]]:
    """The headers that were sent. Of an older release's messages they were not kept."""
    if not message.headers:
        return []
    return [
        *message.headers.items(),
        (_("Subject"), message.subject),
        ("Message-ID", message_id(message.uuid)),
    ]


def _attachments(request: HttpRequest, message: Message) -> list[tuple[str, str]]:
    """The files that went along: the name and where it can be looked at; empty if nowhere."""
    if message.version is None or not message.sent_at:
        return []
    may_look = any(request.user.has_perm(f"mails.{may}_mail") for may in ("view", "change"))

    def url(file: File) -> str:
        return reverse("admin:mails_mail_attachment", args=[message.mail_id, file.digest])

    files = message.version.content.attachments
    return [(file.name, url(file) if may_look else "") for file in files]
