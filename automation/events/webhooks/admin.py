"""Webhooks and their calls in the admin."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import OuterRef, Subquery
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from automation.events import bulk
from automation.events.admin import moment, state_badge
from automation.events.delivery_admin import CauseFilter, DeliveryAdmin, StateFilter
from automation.events.event import GROUP_LENGTH
from automation.events.groups import GROUP_HELP, made_groups, producers
from automation.events.models import Webhook, WebhookCall
from automation.events.states import State
from automation.events.webhooks import addresses
from automation.events.webhooks.pages import SEE_EVENTS, pages
from automation.rules.admin import in_words
from automation.rules.bulk import export
from automation.rules.definition_admin import Importable
from automation.rules.forms import TextWithSuggestions
from automation.rules.views import linked


class WebhookForm(forms.ModelForm):
    class Meta:
        model = Webhook
        fields = (
            "name", "slug", "group", "is_active", "url", "sends_details", "description",
            "expires_hours",
        )  # fmt: skip
        widgets = {
            "group": TextWithSuggestions(made_groups, {"maxlength": GROUP_LENGTH}),
            "url": forms.TextInput(
                attrs={"class": "vLargeTextField", "inputmode": "url", "autocomplete": "off"}
            ),
            "description": forms.Textarea(attrs={"rows": 3, "class": "vLargeTextField"}),
        }
        help_texts = {"group": GROUP_HELP}
        error_messages = {
            "slug": {"unique": _("This short name is taken. Choose another one.")},
            "group": {"required": _("Name the event group that this is for.")},
            "url": {"required": _("Write the address that is called.")},
        }

    def clean_url(self) -> str:
        """A name is looked up when it is written, and when it is switched on; and then again for
        each call."""
        url = self.cleaned_data["url"]
        if {"url", "is_active"} & set(self.changed_data):
            try:
                addresses.look_up(addresses.read(url))
            except (addresses.Refused, addresses.NotFound) as error:
                raise ValidationError(str(error)) from error
        return url


def _of_last_call(column: str) -> Subquery:
    """Of the call that was tried last."""
    calls = WebhookCall.objects.filter(webhook=OuterRef("pk"), tried_at__isnull=False)
    return Subquery(calls.order_by("-tried_at").values(column)[:1])


@admin.register(Webhook)
class WebhookAdmin(Importable):
    form = WebhookForm
    change_form_template = "admin/automation_events/webhook/change_form.html"
    list_display = ("name", "state", "group", "whom", "last_answer", "look")
    list_filter = ("is_active",)
    search_fields = ("name", "slug", "group", "url")
    prepopulated_fields = {"slug": ("name",)}
    actions = (bulk.switch_on, bulk.switch_off, export)
    readonly_fields = ("signed_with", "switched_off", "troubled")

    def get_queryset(self, request: HttpRequest) -> Any:
        webhooks = super().get_queryset(request).non_polymorphic()
        if request.resolver_match and request.resolver_match.url_name.endswith("_changelist"):
            names = {"last_state": "state", "last_status": "status", "last_at": "tried_at"}
            webhooks = webhooks.annotate(**{to: _of_last_call(name) for to, name in names.items()})
        return webhooks

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        first = ["name", "slug", "group", "is_active"]
        if obj is not None and obj.off_reason:
            first.append("switched_off")
        elif obj is not None and obj.trouble:
            first.append("troubled")
        called = ["url", "sends_details", *(["signed_with"] if obj else [])]
        return [
            (None, {"fields": first}),
            (_("The call"), {"fields": called}),
            (_("More"), {"classes": ("collapse",), "fields": ("description", "expires_hours")}),
        ]

    def get_object(self, request: HttpRequest, object_id: str, from_field: Any = None) -> Any:
        try:
            return super().get_object(request, object_id, from_field)
        except OverflowError:  # no database has such a long number
            return None

    def get_urls(self) -> list[Any]:
        return [*pages(self), *super().get_urls()]

    def save_model(self, request: HttpRequest, obj: Webhook, form: Any, change: bool) -> None:
        obj.look_again()
        super().save_model(request, obj, form, change)
        if change and obj.is_active and "is_active" in form.changed_data:
            bulk.tell_waiting(request, obj)
        if not producers(obj.group):
            said = _(
                "No generator makes events of the group “%s”. Unless code records some, nothing "
                "is ever sent."
            )
            messages.warning(request, said % obj.group)

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> Any:
        webhook = self.get_object(request, object_id)
        if webhook is not None and webhook.calls.exists():
            said = _("“%s” was called, and its calls stay in the history. Switch it off instead.")
            messages.error(request, said % webhook)
            return HttpResponseRedirect(_page_of(webhook, "change"))
        return super().delete_view(request, object_id, extra_context)

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: Any = None) -> Any:
        return self._to_look(request, obj) or super().response_add(request, obj, post_url_continue)

    def response_change(self, request: HttpRequest, obj: Any) -> Any:
        return self._to_look(request, obj) or super().response_change(request, obj)

    def _to_look(self, request: HttpRequest, webhook: Webhook) -> HttpResponse | None:
        if "_sends" not in request.POST:
            return None
        return HttpResponseRedirect(_page_of(webhook, "sends"))

    @admin.display(description=_("state"), ordering="is_active")
    def state(self, webhook: Webhook) -> str:
        if webhook.is_active and webhook.resting_until:
            return state_badge("paused", _("out of reach"))
        if webhook.is_active:
            return state_badge("armed", _("active"))
        return state_badge("paused", _("not active"))

    @admin.display(description=_("address"), ordering="url")
    def whom(self, webhook: Webhook) -> str:
        wrong = webhook.off_reason or webhook.trouble
        if not wrong:
            return webhook.host
        reason = format_html('<br><span class="went-wrong">{}</span>', wrong)
        return format_html("{}{}", webhook.host, reason)

    @admin.display(description=_("last answer"))
    def last_answer(self, webhook: Any) -> str:
        if webhook.last_at is None:
            return "–"
        kind = {State.SENT: "sent", State.SENDING: "sending"}.get(webhook.last_state, "failed")
        badge = state_badge(kind, webhook.last_status or _("none"))
        when = format_html('{} <span class="quiet">{}</span>', badge, moment(webhook.last_at))
        return in_words(_("last answer"), when)

    @admin.display(description=_("text"))
    def look(self, webhook: Webhook) -> str:
        return format_html('<a href="{}">{}</a>', _page_of(webhook, "sends"), _("Look"))

    @admin.display(description=_("why it was switched off"))
    def switched_off(self, webhook: Webhook) -> str:
        return format_html('<span class="went-wrong">{}</span>', webhook.off_reason)

    @admin.display(description=_("why calls do not arrive"))
    def troubled(self, webhook: Webhook) -> str:
        reason = format_html('<span class="went-wrong">{}</span>', webhook.trouble)
        if webhook.resting_until is None:
            return reason
        again = gettext("It is called again at %s.") % moment(webhook.resting_until)
        return format_html("{} {}", reason, again)

    @admin.display(description=_("signed with"))
    def signed_with(self, webhook: Webhook) -> str:
        return format_html(
            '<code>{}</code> <a href="{}">{}</a>',
            webhook.masked_secret,
            _page_of(webhook, "secret"),
            _("Show it, or make a new one"),
        )


def _page_of(webhook: Webhook, name: str) -> str:
    return reverse(f"admin:automation_events_webhook_{name}", args=[webhook.pk])


@admin.register(WebhookCall)
class WebhookCallAdmin(DeliveryAdmin):
    change_form_template = "admin/automation_events/delivery.html"
    list_display = ("when", "what", "badge", "in_short")
    list_display_links = ("when", "what")
    list_filter = (("state", StateFilter), CauseFilter, "webhook", "created_at")
    search_fields = ("event__key__exact",)
    search_help_text = _("Search by the whole key of the event")
    list_select_related = ("webhook", "event")
    list_per_page = 50
    ordering = ("-pk",)
    fields = (
        "state_now", "the_webhook", "the_event", "created_at", "tried_at", "not_before", "sent_at",
        "attempts", "identity", "status", "took", "answered", "said",
    )  # fmt: skip
    readonly_fields = (
        "state_now", "the_webhook", "the_event", "identity", "took", "answered", "said",
    )  # fmt: skip

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """What has a meaning in the call's state."""
        unset = {
            name for name in ("tried_at", "sent_at", "status") if obj and not getattr(obj, name)
        }
        if obj.state != State.QUEUED:
            unset.add("not_before")
        if obj.milliseconds is None:
            unset |= {"took", "answered"}
        if not request.user.has_perm(SEE_EVENTS):
            unset.add("said")  # all that is known of the event
        return [name for name in self.fields if name not in unset]

    def get_queryset(self, request: HttpRequest) -> Any:
        rows = super().get_queryset(request)
        if request.resolver_match and request.resolver_match.url_name.endswith("_changelist"):
            rows = rows.defer("body", "answer", "event__context")
        return rows

    @admin.display(description=_("created"), ordering="created_at")
    def when(self, call: WebhookCall) -> str:
        return moment(call.created_at)

    @admin.display(description=_("webhook"), ordering="webhook")
    def what(self, call: WebhookCall) -> str:
        parts = [
            format_html("{}", call.webhook),
            format_html('<span class="quiet">{}</span>', call.event.key),
        ]
        if call.reason:
            reason = Truncator(call.reason).chars(160)
            parts.append(format_html('<span class="went-wrong">{}</span>', reason))
        return format_html_join(SafeString("<br>"), "{}", ((part,) for part in parts))

    @admin.display(description=_("state"), ordering="state")
    def badge(self, call: WebhookCall) -> str:
        return state_badge(call.state, call.get_state_display())

    @admin.display(description=_("state"))
    def state_now(self, call: WebhookCall) -> str:
        return format_html("{} {}", self.badge(call), call.reason)

    @admin.display(description=_("webhook"))
    def the_webhook(self, call: WebhookCall) -> str:
        return linked(call.webhook._meta, call.webhook_id, str(call.webhook))

    @admin.display(description=_("event"))
    def the_event(self, call: WebhookCall) -> str:
        return linked(call.event._meta, call.event_id, str(call.event))

    @admin.display(description="webhook-id")
    def identity(self, call: WebhookCall) -> str:
        return call.identity

    @admin.display(description=_("answer"), ordering="status")
    def in_short(self, call: WebhookCall) -> str:
        if call.status is None:
            return "–"
        return in_words(_("answer"), f"{call.status}, {self.took(call)}")

    @admin.display(description=_("took"))
    def took(self, call: WebhookCall) -> str:
        return "–" if call.milliseconds is None else _("%d ms") % call.milliseconds

    @admin.display(description=_("answer"))
    def answered(self, call: WebhookCall) -> str:
        return _source(call.answer)

    @admin.display(description=_("as it was sent"))
    def said(self, call: WebhookCall) -> str:
        return _source(call.body)


def _source(text: str) -> str:
    """Text of any kind as it is, never as a part of the page."""
    return format_html('<pre class="source">{}</pre>', text) if text else "–"
