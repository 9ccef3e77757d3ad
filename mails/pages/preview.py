"""The preview as a page: a mail with real data, and tests of it."""

from typing import Any

from django.apps import apps
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext as _

from automation.events.event import Event
from automation.events.models import EventRecord
from automation.events.rows import titles
from automation.rules.views import linked
from mails import preview, samples, trying
from mails.content import Content
from mails.languages import language_name
from mails.models import Mail
from mails.pages.frames import framed
from mails.pages.permitted import permitted
from mails.preview import SIZES, VIEWS, Choice
from mails.samples import Sample, Samples


def page(model_admin: admin.ModelAdmin, request: HttpRequest, pk: int) -> HttpResponse:
    """The mail with a real event, in the shape that the address of the page says."""
    return _page(model_admin, request, permitted(model_admin, request, pk))


def frame(model_admin: admin.ModelAdmin, request: HttpRequest, pk: int) -> HttpResponse:
    """The rendered HTML alone, for the sandboxed frame of the preview."""
    mail = permitted(model_admin, request, pk)
    content = mail.content()
    choice = Choice.of(request.GET, content)
    sample = _chosen(mail, choice)
    html: str
    if sample is None:
        html = format_html("<p>{}</p>", _("What you looked at matches no longer."))
    else:
        seen = preview.look(mail, content, sample.event, choice.language)
        html = seen.rendered.html if seen.rendered else format_html("<p>{}</p>", seen.error)
    return framed(html, dark=choice.dark)


def send_test(model_admin: admin.ModelAdmin, request: HttpRequest, pk: int) -> HttpResponse:
    """Send what the preview shows: to the person who looks at it, who may change the mail, or
    to others."""
    mail = permitted(model_admin, request, pk)
    if not model_admin.has_change_permission(request, mail):
        raise PermissionDenied
    query = f"?{request.GET.urlencode()}" if request.GET else ""
    back = HttpResponseRedirect(reverse("admin:mails_mail_preview", args=[pk]) + query)
    if request.method != "POST":
        return back
    form = trying.RecipientsForm(request.user, request.POST)
    if not form.is_valid():
        return _page(model_admin, request, mail, form)
    choice = Choice.of(request.GET, mail.content())
    sample = _chosen(mail, choice)
    if sample is None:
        messages.error(request, _("What you looked at matches no longer. Nothing was sent."))
    else:
        trying.send(request, mail, sample.event, choice.language, form.cleaned_data["to"])
    return back


def _page(
    model_admin: admin.ModelAdmin,
    request: HttpRequest,
    mail: Mail,
    form: trying.RecipientsForm | None = None,
) -> HttpResponse:
    now, content = timezone.now(), mail.content()
    choice = Choice.of(request.GET, content)
    found = samples.find(mail, now, choice.search)
    place = found.position(choice.key)
    if place is None and (sample := samples.named(mail, choice.key, now)):
        found.found.insert(0, sample)
        place = 0
    if place is None and found.found:
        messages.warning(request, _("What you looked at matches no longer. Here is another one."))
        place = 0
    found.found = samples.name_rows(found.found)
    context: dict[str, Any] = {
        **model_admin.admin_site.each_context(request),
        "opts": model_admin.opts,
        "mail": mail,
        "title": _("Preview of “%(name)s”") % {"name": mail},
        "samples": found.found,
        "notes": found.notes,
        "choice": choice,
        "matching": samples.count(mail, now),
        "last_proof": mail.proofs.first(),
        "may_change": model_admin.has_change_permission(request, mail),
        "form": form or trying.RecipientsForm(request.user),
    }
    if place is not None:
        context |= _chosen_in(found, place, choice.search)
        context |= _shown(request, mail, content, choice, found.found[place])
    return TemplateResponse(request, "admin/mails/preview.html", context)


def _chosen(mail: Mail, choice: Choice) -> Sample | None:
    """The sample that the page with this choice shows; none if it matches no longer."""
    now = timezone.now()
    if choice.key:
        return samples.named(mail, choice.key, now)
    return next(iter(samples.find(mail, now, choice.search).found), None)


def _chosen_in(found: Samples, place: int, search: str) -> dict[str, Any]:
    """The chosen sample among those that were found, and its neighbours."""
    context: dict[str, Any] = {"chosen": found.found[place], "place": place + 1}
    for name, index in (("previous", place - 1), ("next", place + 1)):
        if 0 <= index < len(found.found):
            context[name] = found.found[index].name
    return context


def _shown(
    request: HttpRequest, mail: Mail, content: Content, choice: Choice, chosen: Sample
) -> dict[str, Any]:
    """The mail for the chosen event: in the chosen language, or in all."""
    event = chosen.event
    written = [wording.language for wording in content.wordings]
    wanted = written if choice.view == "languages" else [choice.language]
    looks = [preview.look(mail, content, event, language) for language in wanted]
    return {
        "looks": looks,
        "headers": preview.headers(mail, looks[0], event) if choice.view == "headers" else [],
        "unreached": preview.unreached(mail, event),
        "attachments": mail.attachments.all(),
        "views": [each for each in VIEWS.items() if len(written) > 1 or each[0] != "languages"],
        "sizes": SIZES.items(),
        "languages": [(code, language_name(code)) for code in written] if len(written) > 1 else [],
        "read_language": language_name(content.wording(event.language).language),
        "from_event": _event_link(request, chosen),
        "from_row": row_link(event),
    }


def _event_link(request: HttpRequest, chosen: Sample) -> str:
    if not chosen.recorded:
        return ""
    if not request.user.has_perm("automation_events.view_eventrecord"):
        return chosen.label
    return linked(EventRecord._meta, chosen.record, chosen.label)


def row_link(event: Event) -> str:
    """The row that ``event`` came from, as a link where it has a page; empty if it has none."""
    try:
        opts = apps.get_model(event.row_model)._meta
    except (LookupError, ValueError):
        return ""
    (title,) = titles([(event.row_model, event.row_pk)]).values()
    return linked(opts, event.row_pk, title)
