"""Messages in the admin: the outbox and the history, to be read."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from automation.events.admin import moment, state_badge
from automation.events.delivery_admin import CauseFilter, DeliveryAdmin, StateFilter
from automation.events.states import State
from automation.rules.views import linked
from mails import mailers
from mails.building import message_id
from mails.models import Message
from mails.pages import messages as pages

#: The headers in which copies were sent, by the field that shows them.
COPIES = {"copy_to": "Cc", "hidden_copy_to": "Bcc"}


class AccountFilter(admin.SimpleListFilter):
    """By the account that it went out by, where there are several."""

    title = _("sent by")
    parameter_name = "account"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        known = mailers.mailers()
        return [(each.name, str(each)) for each in known] if len(known) > 1 else []

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset.filter(account=self.value()) if self.value() else queryset


@admin.register(Message)
class MessageAdmin(DeliveryAdmin):
    change_form_template = "admin/mails/message.html"
    list_display = ("when", "recipient", "what", "badge")
    list_display_links = ("when", "recipient")
    list_filter = (("state", StateFilter), CauseFilter, "mail", AccountFilter, "created_at")
    date_hierarchy = "created_at"
    search_fields = ("recipient", "subject")
    search_help_text = _("Search by address or subject")
    list_select_related = ("mail",)
    list_per_page = 50
    ordering = ("-pk",)
    fields = (
        "state_now", "recipient", "copy_to", "hidden_copy_to", "subject", "the_mail",
        "the_version", "the_event", "created_at", "not_before", "sent_at", "sent_by", "attempts",
        "message_id", "provider_id",
    )  # fmt: skip
    readonly_fields = (
        "state_now", "copy_to", "hidden_copy_to", "the_mail", "the_version", "the_event",
        "sent_by", "message_id",
    )  # fmt: skip

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """What has a meaning in the message's state."""
        unset = {name for name in ("subject", "sent_at") if obj and not getattr(obj, name)}
        if obj and obj.version_id is None:
            unset.add("the_version")
        if obj and obj.state != State.QUEUED:
            unset.add("not_before")
        if obj and not (obj.account and len(mailers.names()) > 1):
            unset.add("sent_by")
        if obj and not obj.provider_id:
            unset.add("provider_id")
        headers = obj.headers if obj else {}
        unset |= {name for name, header in COPIES.items() if not headers.get(header)}
        return [name for name in self.fields if name not in unset]

    def get_queryset(self, request: HttpRequest) -> Any:
        rows = super().get_queryset(request)
        if request.resolver_match and request.resolver_match.url_name.endswith("_changelist"):
            rows = rows.defer("html", "text", "headers")
        return rows

    def get_urls(self) -> list[Any]:
        frame = self.admin_site.admin_view(self.frame_view)
        return [
            path("<int:pk>/frame/", frame, name="mails_message_frame"),
            *super().get_urls(),
        ]

    def frame_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        return pages.frame(self, request, pk)

    def render_change_form(
        self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any
    ) -> Any:
        context |= pages.as_sent(request, context["original"])
        return super().render_change_form(request, context, *args, **kwargs)

    @admin.display(description=_("created"), ordering="created_at")
    def when(self, message: Message) -> str:
        return moment(message.created_at)

    @admin.display(description=_("mail"), ordering="mail")
    def what(self, message: Message) -> str:
        parts = [format_html("{}", message.subject or message.mail)]
        if message.subject:
            parts.append(format_html('<span class="quiet">{}</span>', message.mail))
        if message.account and len(mailers.names()) > 1:
            parts.append(format_html('<span class="quiet">{}</span>', self.sent_by(message)))
        if message.reason:
            reason = Truncator(message.reason).chars(160)
            looks = "quiet" if message.state in (State.QUEUED, State.SENDING) else "went-wrong"
            parts.append(format_html('<span class="{}">{}</span>', looks, reason))
        return format_html_join(SafeString("<br>"), "{}", ((part,) for part in parts))

    @admin.display(description=_("state"), ordering="state")
    def badge(self, message: Message) -> str:
        return state_badge(message.state, message.get_state_display())

    @admin.display(description=_("state"))
    def state_now(self, message: Message) -> str:
        return format_html("{} {}", self.badge(message), message.reason)

    @admin.display(description=_("copy to (cc)"))
    def copy_to(self, message: Message) -> str:
        return str(message.headers.get(COPIES["copy_to"], ""))

    @admin.display(description=_("hidden copy to (bcc)"))
    def hidden_copy_to(self, message: Message) -> str:
        return str(message.headers.get(COPIES["hidden_copy_to"], ""))

    @admin.display(description=_("sent by"))
    def sent_by(self, message: Message) -> str:
        """The account, and whether it stood in for another."""
        by = str(mailers.mailer(message.account) or message.account)
        if message.account == (message.mail.account or mailers.DEFAULT):
            return by
        meant = mailers.mailer(message.mail.account) or message.mail.account
        return gettext("%(account)s instead of %(other)s") % {"account": by, "other": meant}

    @admin.display(description=_("mail"))
    def the_mail(self, message: Message) -> str:
        return linked(message.mail._meta, message.mail_id, str(message.mail))

    @admin.display(description=_("version"))
    def the_version(self, message: Message) -> str:
        version = message.version
        url = reverse("admin:mails_mail_version", args=[message.mail_id, version.number])
        return format_html('<a href="{}">{}</a>', url, version)

    @admin.display(description=_("event"))
    def the_event(self, message: Message) -> str:
        return linked(message.event._meta, message.event_id, str(message.event))

    @admin.display(description="Message-ID")
    def message_id(self, message: Message) -> str:
        return message_id(message.uuid)
