"""Mails, and the messages made from them."""

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import path, reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from automation.events.admin import ReadOnlyAdmin, link_to, state_badge
from automation.events.groups import producers
from mails import views
from mails.models import Mail, Message
from mails.widgets import MailEditor


class GroupInput(forms.TextInput):
    """A text field that suggests the groups there are."""

    template_name = "admin/mails/group_input.html"

    def get_context(self, name: str, value: Any, attrs: Any) -> dict[str, Any]:
        context: dict[str, Any] = super().get_context(name, value, attrs)
        context["widget"]["attrs"]["list"] = f"{name}-groups"
        context["groups"] = [(producer.group, producer.label) for producer in producers()]
        return context


class MailForm(forms.ModelForm):  # type: ignore[type-arg]
    class Meta:
        model = Mail
        fields = ("name", "slug", "group", "is_active", "subject", "body", "to", "from_email")
        widgets = {
            "group": GroupInput(attrs={"class": "vTextField"}),
            "subject": forms.TextInput(attrs={"class": "vLargeTextField"}),
            "body": MailEditor(),
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

    class Media:
        css = {"all": ["automation/admin.css"]}

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

    def render_change_form(
        self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any
    ) -> Any:
        mail = kwargs.get("obj")
        context["variables"] = views.variables(mail) if mail else []
        return super().render_change_form(request, context, *args, **kwargs)

    @admin.display(description=_("preview"))
    def preview_link(self, mail: Mail) -> str:
        url = reverse("admin:mails_mail_preview", args=[mail.pk])
        return format_html('<a href="{}">{}</a>', url, _("Look"))


@admin.register(Message)
class MessageAdmin(ReadOnlyAdmin):
    change_form_template = "admin/mails/message.html"
    list_display = ("created_at", "recipient", "shown_subject", "mail", "state_badge", "why")
    list_display_links = ("created_at", "recipient")
    list_filter = ("state", "mail", "created_at")
    date_hierarchy = "created_at"
    search_fields = ("recipient",)
    search_help_text = _("Search by address")
    list_select_related = ("mail",)
    ordering = ("-pk",)
    fields = (
        "state_badge", "reason", "recipient", "subject", "the_mail", "the_event", "created_at",
        "not_before", "sent_at", "attempts", "message_id",
    )  # fmt: skip
    readonly_fields = ("state_badge", "the_mail", "the_event", "message_id")

    class Media:
        css = {"all": ["automation/admin.css"]}

    def get_urls(self) -> list[Any]:
        frame = self.admin_site.admin_view(self.frame_view)
        return [
            path("<int:pk>/frame/", frame, name="mails_message_frame"),
            *super().get_urls(),
        ]

    def frame_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        return views.message_frame(self, request, pk)

    @admin.display(description=_("subject"))
    def shown_subject(self, message: Message) -> str:
        return message.subject or "–"

    @admin.display(description=_("state"), ordering="state")
    def state_badge(self, message: Message) -> str:
        return state_badge(message.state, message.get_state_display())

    @admin.display(description=_("reason"))
    def why(self, message: Message) -> str:
        return message.reason or "–"

    @admin.display(description=_("mail"))
    def the_mail(self, message: Message) -> str:
        return link_to(message.mail._meta, message.mail_id, str(message.mail))

    @admin.display(description=_("event"))
    def the_event(self, message: Message) -> str:
        return link_to(message.event._meta, message.event_id, str(message.event))

    @admin.display(description="Message-ID")
    def message_id(self, message: Message) -> str:
        return views.message_id(message)
