"""E-mail accounts in the admin: whether each works, and two buttons."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from automation.events.admin import ReadOnlyAdmin, moment, state_badge
from automation.rules.admin import in_words
from mails import accounts, mailers
from mails.models import Account
from mails.pages import accounts as pages


@admin.register(Account)
class AccountAdmin(ReadOnlyAdmin):
    change_form_template = "admin/mails/account.html"
    list_display = ("__str__", "badge", "sent", "most", "fallback")
    fields = (
        "state_now", "since", "again", "waiting", "today", "last_ok_at", "limit", "domains",
        "sender_now", "stands_in",
    )  # fmt: skip
    readonly_fields = (
        "state_now", "since", "again", "waiting", "today", "limit", "domains", "sender_now",
        "stands_in",
    )  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> Any:
        """Those that are configured. One that is there no more, or a sender that is refused, is
        shown while it is stopped."""
        for name in mailers.names():
            Account.of(name)
        rows = super().get_queryset(request)
        return rows.filter(sender="", name__in=mailers.names()) | rows.exclude(stopped_at=None)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        stopped = obj is not None and obj.stopped_at is not None
        unset = set() if stopped else {"since", "again", "waiting"}
        return [name for name in self.fields if name not in unset]

    def get_urls(self) -> list[Any]:
        wrap = self.admin_site.admin_view
        return [
            path("<int:pk>/try-again/", wrap(self.try_again_view), name="mails_account_try_again"),
            path("<int:pk>/test/", wrap(self.test_view), name="mails_account_test"),
            *super().get_urls(),
        ]

    def try_again_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        return pages.try_again(self, request, pk)

    def test_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        return pages.send_test(self, request, pk)

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: Any = None,
    ) -> Any:
        context = {**(extra_context or {}), "may_resume": pages.may_resume(request)}
        return super().changeform_view(request, object_id, form_url, context)

    @admin.display(description=_("state"))
    def badge(self, account: Account) -> str:
        if account.stopped_at is None:
            return state_badge("sent", _("works")) if account.last_ok_at else _("not used yet")
        badge = state_badge("failed", _("stopped"))
        return format_html('{}<br><span class="went-wrong">{}</span>', badge, account.reason)

    # In the list, where a phone shows no heads of columns.

    @admin.display(description=_("sent today"))
    def sent(self, account: Account) -> str:
        return in_words(_("Sent today:"), self.today(account))

    @admin.display(description=_("at most"))
    def most(self, account: Account) -> str:
        return in_words(_("At most:"), self.limit(account))

    @admin.display(description=_("stands in for it"))
    def fallback(self, account: Account) -> str:
        return in_words(_("Stands in for it:"), self.stands_in(account))

    # On the page of one.

    @admin.display(description=_("state"))
    def state_now(self, account: Account) -> str:
        return self.badge(account)

    @admin.display(description=_("stopped since"))
    def since(self, account: Account) -> str:
        return moment(account.stopped_at)

    @admin.display(description=_("tried again at"))
    def again(self, account: Account) -> str:
        return moment(account.stopped_until)

    @admin.display(description=_("messages that wait for it"))
    def waiting(self, account: Account) -> int:
        return accounts.waiting_for(account)

    @admin.display(description=_("sent today"))
    def today(self, account: Account) -> int:
        return account.sent_today

    @admin.display(description=_("at most"))
    def limit(self, account: Account) -> str:
        mailer = account.mailer
        return _("%g a second") % mailer.rate if mailer and mailer.rate else "–"

    @admin.display(description=_("at most, by domain"))
    def domains(self, account: Account) -> str:
        mailer = account.mailer
        if mailer is None or not (mailer.domains or mailer.domain_rate):
            return "–"
        rates = [(domain, rate) for domain, rate in sorted(mailer.domains.items())]
        if mailer.domain_rate:
            rates.append((str(_("all others")), mailer.domain_rate))
        return ", ".join(f"{domain}: {_('%g a second') % rate}" for domain, rate in rates)

    @admin.display(description=_("from"))
    def sender_now(self, account: Account) -> str:
        return account.sender or (account.mailer.sender if account.mailer else "–")

    @admin.display(description=_("stands in for it"))
    def stands_in(self, account: Account) -> str:
        mailer = account.mailer
        return str(mailers.mailer(mailer.fallback)) if mailer and mailer.fallback else "–"
