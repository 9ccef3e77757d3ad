"""The pages of a webhook besides its form: what it sends, with a test call, and its secret."""

import json
from functools import partial, update_wrapper
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.translation import gettext as _

from automation.events.webhooks import payload, samples, trying
from automation.events.webhooks.samples import Sample
from automation.events.webhooks.webhook import BOTH_SECRETS, Webhook

SEND_TEST_CALL = "automation_events.send_test_call"
SEE_EVENTS = "automation_events.view_eventrecord"


def pages(model_admin: admin.ModelAdmin) -> list[URLPattern]:
    """Each asks for permission itself; nobody who is not staff gets that far."""
    wrap = model_admin.admin_site.admin_view
    views = {"sends": sends, "test": send_test, "secret": secret}
    return [
        path(
            f"<int:pk>/{name}/",
            wrap(update_wrapper(partial(view, model_admin), view)),
            name=f"automation_events_webhook_{name}",
        )
        for name, view in views.items()
    ]


def sends(model_admin: admin.ModelAdmin, request: HttpRequest, pk: int) -> HttpResponse:
    """What is sent for an event: the text and the headers."""
    return _page(model_admin, request, _permitted(model_admin, request, pk), request.GET)


def send_test(model_admin: admin.ModelAdmin, request: HttpRequest, pk: int) -> HttpResponse:
    """Send what the page shows, once, as a test; and show the answer."""
    webhook = _permitted(model_admin, request, pk)
    if not request.user.has_perm(SEND_TEST_CALL):
        raise PermissionDenied
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    return _page(model_admin, request, webhook, request.POST, test=True)


def secret(model_admin: admin.ModelAdmin, request: HttpRequest, pk: int) -> HttpResponse:
    """The secret: covered, until somebody asks to see it or makes a new one, which is asked
    first. No browser keeps the page, as none of the admin."""
    webhook = _permitted(model_admin, request, pk)
    if not model_admin.has_change_permission(request, webhook):
        raise PermissionDenied
    is_asking = "renew" in request.POST and "confirmed" not in request.POST
    if "renew" in request.POST and not is_asking:
        webhook.renew_secret(timezone.now())
        _log(request, webhook, _("Made a new secret"))
        messages.success(
            request,
            _("This is the new secret. For a day calls are signed with the former one, too."),
        )
    elif "show" in request.POST:
        _log(request, webhook, _("Looked at the secret"))
    context = {
        **model_admin.admin_site.each_context(request),
        "opts": model_admin.opts,
        "webhook": webhook,
        "title": _("The secret of “%(name)s”") % {"name": webhook},
        "is_asking": is_asking,
        "secret": webhook.secret if request.method == "POST" and not is_asking else "",
        "both_until": _both_until(webhook),
    }
    return TemplateResponse(request, "admin/automation_events/webhook/secret.html", context)


def _both_until(webhook: Webhook) -> Any:
    """Until when the former secret holds, too; None if it does not."""
    if len(webhook.secrets(timezone.now())) < 2 or webhook.secret_changed_at is None:
        return None
    return webhook.secret_changed_at + BOTH_SECRETS


def _permitted(model_admin: admin.ModelAdmin, request: HttpRequest, pk: int) -> Webhook:
    """The webhook, if whoever asks may see it."""
    try:
        webhook = get_object_or_404(Webhook, pk=pk)
    except OverflowError as error:  # SQLite's numbers end somewhere
        raise Http404 from error
    if not model_admin.has_view_permission(request, webhook):
        raise PermissionDenied
    return webhook


def _page(
    model_admin: admin.ModelAdmin,
    request: HttpRequest,
    webhook: Webhook,
    asked: Any,
    *,
    test: bool = False,
) -> HttpResponse:
    now = timezone.now()
    may_see_events = request.user.has_perm(SEE_EVENTS)
    invented = Sample(samples.invented(webhook), now)
    found = samples.find(webhook, now) if may_see_events else [invented]
    sample = _chosen(found, asked.get("key", ""))
    if sample is None:
        messages.warning(request, _("What you looked at matches no longer. Here is another one."))
    trial = None
    if test and sample is not None:
        trial = trying.call(webhook, sample, now)
        note = trial.problem or _("answered")
        _log(request, webhook, _("Test call for %(key)s: %(said)s") % {
            "key": sample.event.key, "said": note,
        })  # fmt: skip
    sample = sample or found[0]
    body = trying.look(webhook, sample)
    context = {
        **model_admin.admin_site.each_context(request),
        "opts": model_admin.opts,
        "webhook": webhook,
        "title": _("What “%(name)s” sends") % {"name": webhook},
        "samples": found,
        "chosen": sample,
        "is_invented": sample.event == invented.event,
        "may_see_events": may_see_events,
        "body": json.dumps(json.loads(body), indent=2, ensure_ascii=False),
        "headers": payload.headers("msg_…", now, body.encode(), []) | {"webhook-signature": "v1,…"},
        "trial": trial,
        "may_test": request.user.has_perm(SEND_TEST_CALL),
    }
    return TemplateResponse(request, "admin/automation_events/webhook/sends.html", context)


def _chosen(found: list[Sample], key: str) -> Sample | None:
    """The sample with this key, the first without one; None if it is gone. Never another one:
    it would be somebody else's data."""
    if not key:
        return found[0]
    return next((sample for sample in found if sample.event.key == key), None)


def _log(request: HttpRequest, webhook: Webhook, note: str) -> None:
    LogEntry.objects.log_actions(request.user.pk or 0, [webhook], CHANGE, note, single_object=True)
