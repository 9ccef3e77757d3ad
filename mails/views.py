"""What a mail looks like with real data, and as it was sent."""

import smtplib
from dataclasses import dataclass, replace
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.core.validators import validate_email
from django.forms import ValidationError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.translation import gettext as _

from automation.events.event import Event
from automation.events.groups import producers
from automation.events.models import EventRecord, group_pattern
from automation.rules import plain
from automation.rules.models import BrokenRule
from automation.rules.templating import TemplateError
from mails.building import envelope
from mails.delivery import send_test
from mails.models import Mail, Message
from mails.rendering import RenderedMail

SAMPLES = 10

# Mail is shown, and nothing else: no script, no form, no request but for its images.
FRAME_POLICY = (
    "default-src 'none'; img-src data: https: http:; style-src 'unsafe-inline'; "
    "frame-ancestors 'self'; sandbox"
)


@dataclass(frozen=True)
class Sample:
    """An event to look at a mail with: one that happened, or that a row would make now."""

    event: Event
    label: str
    recorded: bool


def samples(mail: Mail, key: str = "") -> list[Sample]:
    """The newest recorded events that reach ``mail``, and rows that match now; the event with
    this ``key``, if it is recorded, however old it is."""
    pattern = group_pattern(mail.group)
    found: list[Sample] = []
    for record in EventRecord.objects.filter(key=key):
        if pattern.fullmatch(record.group):
            found.append(Sample(record.as_event(), str(record), True))
    recorded = EventRecord.objects.order_by("-pk")
    if "*" not in mail.group:
        recorded = recorded.filter(group=mail.group.strip())
    else:
        recorded = recorded.filter(group__startswith=mail.group.strip().partition("*")[0])
    for record in recorded.exclude(key=key)[: 5 * SAMPLES]:
        if pattern.fullmatch(record.group) and len(found) < SAMPLES:
            found.append(Sample(record.as_event(), str(record), True))
    keys = {sample.event.key for sample in found}
    for producer in producers(mail.group):
        try:
            for event in producer.sample(timezone.now(), SAMPLES):
                if event.key not in keys and pattern.fullmatch(event.group):
                    found.append(
                        Sample(_as_recorded(event), f"{producer.label}: {event.row_pk}", False)
                    )
        except (BrokenRule, TemplateError):
            continue  # its own page says what is wrong with it
    return found


def _as_recorded(event: Event) -> Event:
    """``event`` with its data as it would come back from the database."""
    context = plain.loads(plain.dumps(event.context))
    return replace(event, context=context)


def preview(model_admin: admin.ModelAdmin, request: HttpRequest, pk: int) -> HttpResponse:
    """The mail with a real event: as HTML, as text, with its headers."""
    mail = _permitted(model_admin, request, pk)
    key = request.GET.get("key", "")
    found = samples(mail, key)
    position = _position(found, key)
    if position is None:
        messages.warning(request, _("What you looked at matches no longer. Here is another one."))
        position = 0
    context: dict[str, Any] = {
        **model_admin.admin_site.each_context(request),
        "opts": model_admin.opts,
        "mail": mail,
        "title": _("Preview of “%(name)s”") % {"name": mail},
        "samples": found,
    }
    if found:
        chosen = found[position]
        dark = {"dark": "1"} if request.GET.get("dark") else {}
        context |= {
            "chosen": chosen,
            "dark": bool(dark),
            "query": urlencode({"key": chosen.event.key, **dark}),
            "light_query": urlencode({"key": chosen.event.key}),
            "dark_query": urlencode({"key": chosen.event.key, "dark": "1"}),
        }
        for name, index in (("previous", position - 1), ("next", position + 1)):
            if 0 <= index < len(found):
                context[name] = urlencode({"key": found[index].event.key, **dark})
        try:
            rendered = _rendered(mail, chosen)
            context |= {"rendered": rendered, "headers": _headers(mail, rendered, chosen.event)}
        except TemplateError as error:
            context["error"] = str(error)
    return TemplateResponse(request, "admin/mails/preview.html", context)


def frame(model_admin: admin.ModelAdmin, request: HttpRequest, pk: int) -> HttpResponse:
    """The rendered HTML alone, for the sandboxed frame of the preview."""
    mail = _permitted(model_admin, request, pk)
    key = request.GET.get("key", "")
    found = samples(mail, key)
    position = _position(found, key)
    try:
        if not found or position is None:
            raise TemplateError(_("What you looked at matches no longer."))
        html = _rendered(mail, found[position]).html
    except TemplateError as error:
        html = format_html("<p>{}</p>", str(error))
    return _policed(_in_scheme(html, bool(request.GET.get("dark"))))


def _in_scheme(html: str, dark: bool) -> str:
    """The mail as it is shown where people have chosen dark colours, or have not: a frame
    cannot choose for itself."""
    scheme = "dark" if dark else "light"
    return html.replace("(prefers-color-scheme: dark)", "all" if dark else "not all").replace(
        'content="light dark"', f'content="{scheme}"'
    )


def message_frame(model_admin: admin.ModelAdmin, request: HttpRequest, pk: int) -> HttpResponse:
    """The HTML of a message as it was sent, for a sandboxed frame."""
    message = get_object_or_404(Message, pk=pk)
    if not model_admin.has_view_permission(request, message):
        raise PermissionDenied
    return _policed(_in_scheme(message.html, dark=False))


def _policed(html: str) -> HttpResponse:
    response = HttpResponse(html)
    response["Content-Security-Policy"] = FRAME_POLICY
    response["X-Frame-Options"] = "SAMEORIGIN"
    response["Referrer-Policy"] = "no-referrer"
    return response


def send_to_me(model_admin: admin.ModelAdmin, request: HttpRequest, pk: int) -> HttpResponse:
    """Send what the preview shows to the person who looks at it, who may change the mail."""
    mail = _permitted(model_admin, request, pk)
    if not model_admin.has_change_permission(request, mail):
        raise PermissionDenied
    key = request.POST.get("key", "")
    back = HttpResponseRedirect(
        f"{reverse('admin:mails_mail_preview', args=[pk])}?{urlencode({'key': key})}"
    )
    if request.method != "POST":
        return back
    address = getattr(request.user, "email", "")
    try:
        validate_email(address)
    except ValidationError:
        messages.error(
            request, _("Your account has no mail address. Ask whoever manages the users to add it.")
        )
        return back
    found = samples(mail, key)
    position = _position(found, key)
    if not found or position is None:
        messages.error(request, _("What you looked at matches no longer. Nothing was sent."))
        return back
    try:
        send_test(mail, found[position].event, address)
    except TemplateError as error:
        messages.error(request, str(error))
    except (OSError, smtplib.SMTPException) as error:
        messages.error(request, _("The mail server did not take it: %s") % error)
    else:
        messages.success(request, _("Sent to %(address)s.") % {"address": address})
    return back


def variables(group: str) -> list[tuple[str, str]]:
    """What a mail on events of ``group`` can name, with what it means; a list's items as a
    loop."""
    found: dict[str, str] = {}
    for producer in producers(group):
        found |= dict(_listed(producer.shape, ""))
    return list(found.items())


def _listed(shape: dict[str, Any], prefix: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for name, inner in shape.items():
        path = f"{prefix}{name}"
        if isinstance(inner, dict):
            found += _listed(inner, f"{path}.")
        elif isinstance(inner, list):
            items = ", ".join(f"{{{{ item.{key} }}}}" for key in inner[0])
            meaning = _("goes through the list; inside: %(items)s") % {"items": items}
            found.append((f"{{% for item in {path} %}} … {{% endfor %}}", meaning))
        else:
            found.append((f"{{{{ {path} }}}}", _meaning(path, inner)))
    return found


def _meaning(path: str, field: Any) -> str:
    told = {"event.group": _("the event's group"), "event.key": _("the event's key")}
    return getattr(field, "full_label", "") or told.get(path, "") or path.rpartition(".")[2]


def _rendered(mail: Mail, sample: Sample) -> RenderedMail:
    return mail.render(sample.event)


def _headers(mail: Mail, rendered: RenderedMail, event: Event) -> list[tuple[str, str]]:
    recipients = mail.recipients(event)
    whom = envelope(mail, mail.content(), event, recipients[0])
    nobody = _("nobody: the row has no address, so it will be skipped")
    found = [
        (_("From"), whom.from_email),
        (_("To"), ", ".join(filter(None, recipients)) or nobody),
        (_("Copy"), ", ".join(map(str, whom.cc))),
        (_("Hidden copy"), ", ".join(map(str, whom.bcc))),
        (_("Answers to"), ", ".join(map(str, whom.reply_to))),
        (_("Subject"), rendered.subject),
        (_("Preview line"), rendered.preheader),
    ]
    return [(name, value) for name, value in found if value]


def _position(found: list[Sample], key: str) -> int | None:
    """Where the sample with ``key`` stands: the first without a key, None for one that is
    not there. Never another one: it would be somebody else's data."""
    keys = [sample.event.key for sample in found]
    if not key:
        return 0
    return keys.index(key) if key in keys else None


def _permitted(model_admin: admin.ModelAdmin, request: HttpRequest, pk: int) -> Mail:
    try:
        mail = get_object_or_404(Mail, pk=pk)
    except OverflowError as error:  # SQLite's numbers end somewhere
        raise Http404 from error
    if not model_admin.has_view_permission(request, mail):
        raise PermissionDenied
    return mail
