"""Mails, and the messages made from them."""

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from django.utils.translation import gettext_lazy as _

from automation.events.admin import ReadOnlyAdmin, moment, state_badge
from automation.events.event import GROUP_LENGTH
from automation.events.groups import producers
from automation.events.outbox import State
from automation.rules.forms import TextWithSuggestions
from automation.rules.views import linked
from mails import views
from mails.building import message_id
from mails.models import Mail, Message
from mails.widgets import MailEditor


def made_groups() -> list[tuple[str, str]]:
    """The groups of events that are made here, with who makes them."""
    return [(producer.group, producer.label) for producer in producers()]


class MailForm(forms.ModelForm):  # type: ignore[type-arg]
    class Meta:
        model = Mail
        fields = ("name", "slug", "group", "is_active", "subject", "body", "to", "from_email")
        widgets = {
            "group": TextWithSuggestions(made_groups, {"maxlength": GROUP_LENGTH}),
            "subject": forms.TextInput(attrs={"class": "vLargeTextField"}),
            "body": MailEditor(),
        }
        error_messages = {
            "slug": {"unique": _("This short name is taken. Choose another one.")},
        }


@admin.register(Mail)
class MailAdmin(admin.ModelAdmin):
    form = MailForm
    change_form_template = "admin/mails/change_form.html"
    list_display = ("name", "group", "subject", "is_active", "preview_link")
    list_filter = ("is_active",)
    search_fields = ("name", "slug", "group", "subject")
    prepopulated_fields = {"slug": ("name",)}
    fieldsets = (
        (None, {"fields": ("name", "slug", "group", "is_active")}),
        (_("What it says"), {"fields": ("subject", "body")}),
        (_("Whom it goes to"), {"classes": ("collapse",), "fields": ("to", "from_email")}),
    )

    def get_urls(self) -> list[Any]:
        wrap = self.admin_site.admin_view
        return [
            path("<int:pk>/preview/", wrap(self.preview_view), name="mails_mail_preview"),
            path("<int:pk>/preview/frame/", wrap(self.frame_view), name="mails_mail_frame"),
            path("<int:pk>/send-test/", wrap(self.send_test_view), name="mails_mail_send_test"),
            *super().get_urls(),
        ]

    def preview_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        return views.preview(self, request, pk)

    def frame_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        return views.frame(self, request, pk)

    def send_test_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        return views.send_to_me(self, request, pk)

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: Any = None) -> Any:
        return self._to_preview(request, obj) or super().response_add(
            request, obj, post_url_continue
        )

    def response_change(self, request: HttpRequest, obj: Any) -> Any:
        return self._to_preview(request, obj) or super().response_change(request, obj)

    def _to_preview(self, request: HttpRequest, mail: Mail) -> HttpResponse | None:
        if "_preview" not in request.POST:
            return None
        return HttpResponseRedirect(reverse("admin:mails_mail_preview", args=[mail.pk]))

    def render_change_form(
        self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any
    ) -> Any:
        # The group as it stands in the form: saved, typed and refused, or given by a link.
        group = str(context["adminform"].form["group"].value() or "").strip()
        context |= {
            "group": group,
            "variables": views.variables(group) if group else [],
            "hint": _(
                "Write these where the values shall stand. Loops and conditions, in {% … %}, are "
                "shown as yellow chips; “Source” lets you edit them."
            ),
        }
        return super().render_change_form(request, context, *args, **kwargs)

    @admin.display(description=_("preview"))
    def preview_link(self, mail: Mail) -> str:
        url = reverse("admin:mails_mail_preview", args=[mail.pk])
        return format_html('<a href="{}">{}</a>', url, _("Look"))


@admin.register(Message)
class MessageAdmin(ReadOnlyAdmin):
    change_form_template = "admin/mails/message.html"
    list_display = ("when", "recipient", "what", "badge")
    list_display_links = ("when", "recipient")
    list_filter = ("state", "mail", "created_at")
    date_hierarchy = "created_at"
    search_fields = ("recipient",)
    search_help_text = _("Search by address")
    list_select_related = ("mail",)
    list_per_page = 50
    ordering = ("-pk",)
    fields = (
        "state_now", "recipient", "subject", "the_mail", "the_event", "created_at",
        "not_before", "sent_at", "attempts", "message_id",
    )  # fmt: skip
    readonly_fields = ("state_now", "the_mail", "the_event", "message_id")

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """What has a meaning in the message's state."""
        unset = {name for name in ("subject", "sent_at") if obj and not getattr(obj, name)}
        if obj and obj.state != State.QUEUED:
            unset.add("not_before")
        return [name for name in self.fields if name not in unset]

    def get_queryset(self, request: HttpRequest) -> Any:
        rows = super().get_queryset(request)
        if request.resolver_match and request.resolver_match.url_name.endswith("_changelist"):
            rows = rows.defer("html", "text")
        return rows

    def get_urls(self) -> list[Any]:
        frame = self.admin_site.admin_view(self.frame_view)
        return [
            path("<int:pk>/frame/", frame, name="mails_message_frame"),
            *super().get_urls(),
        ]

    def frame_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        return views.message_frame(self, request, pk)

    @admin.display(description=_("created"), ordering="created_at")
    def when(self, message: Message) -> str:
        return moment(message.created_at)

    @admin.display(description=_("mail"), ordering="mail")
    def what(self, message: Message) -> str:
        parts = [format_html("{}", message.subject or message.mail)]
        if message.subject:
            parts.append(format_html('<span class="quiet">{}</span>', message.mail))
        if message.reason:
            reason = Truncator(message.reason).chars(160)
            parts.append(format_html('<span class="went-wrong">{}</span>', reason))
        return format_html_join(SafeString("<br>"), "{}", ((part,) for part in parts))

    @admin.display(description=_("state"), ordering="state")
    def badge(self, message: Message) -> str:
        return state_badge(message.state, message.get_state_display())

    @admin.display(description=_("state"))
    def state_now(self, message: Message) -> str:
        return format_html("{} {}", self.badge(message), message.reason)

    @admin.display(description=_("mail"))
    def the_mail(self, message: Message) -> str:
        return linked(message.mail._meta, message.mail_id, str(message.mail))

    @admin.display(description=_("event"))
    def the_event(self, message: Message) -> str:
        return linked(message.event._meta, message.event_id, str(message.event))

    @admin.display(description="Message-ID")
    def message_id(self, message: Message) -> str:
        return message_id(message.uuid)
