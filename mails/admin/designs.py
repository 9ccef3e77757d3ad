"""Layouts and snippets in the admin."""

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext_lazy as _

from automation.rules.bulk import export
from automation.rules.definition_admin import Importable
from mails.models import Layout, Mail, Snippet
from mails.pages import designs
from mails.proofreading import mails_with, relying_on_default, users_of_snippet
from mails.widgets import MailEditor


class LayoutForm(forms.ModelForm):  # type: ignore[type-arg]
    class Meta:
        model = Layout
        fields = ("name", "slug", "is_default", "header", "footer", "styles")
        widgets = {
            "header": MailEditor(),
            "footer": MailEditor(),
            "styles": forms.Textarea(
                attrs={"rows": 14, "class": "vLargeTextField code", "spellcheck": "false"}
            ),
        }


@admin.register(Layout)
class LayoutAdmin(Importable):
    form = LayoutForm
    change_form_template = "admin/mails/layout_form.html"
    list_display = ("name", "is_default", "used_by")
    search_fields = ("name", "slug")
    prepopulated_fields = {"slug": ("name",)}
    actions = (export,)

    def get_urls(self) -> list[Any]:
        frame = self.admin_site.admin_view(self.frame_view)
        return [
            path("<int:pk>/frame/", frame, name="mails_layout_frame"),
            *super().get_urls(),
        ]

    def frame_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        return designs.frame(self, request, pk)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """The mails with this layout look different from now on, so they have a new version."""
        super().save_related(request, form, formsets, change)
        for mail in mails_with(form.instance):
            mail.keep_version(request.user)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """The default layout stays while a mail relies on it."""
        found, count, missing, protected = super().get_deleted_objects(objs, request)
        return found, count, missing, [*protected, *map(_kept_by, relying_on_default(objs))]

    @admin.display(description=_("mails"))
    def used_by(self, layout: Layout) -> str:
        return str(len(mails_with(layout))) if layout.is_default else str(layout.mails.count())


class SnippetForm(forms.ModelForm):  # type: ignore[type-arg]
    class Meta:
        model = Snippet
        fields = ("name", "slug", "body")
        widgets = {"body": MailEditor()}


@admin.register(Snippet)
class SnippetAdmin(Importable):
    form = SnippetForm
    # Django would take the one of mails, which has the app's name.
    change_form_template = "admin/change_form.html"
    list_display = ("name", "put_in_by")
    search_fields = ("name", "slug", "body")
    prepopulated_fields = {"slug": ("name",)}
    readonly_fields = ("put_in_by", "used_by")
    fields = ("name", "slug", "body", "put_in_by", "used_by")
    actions = (export,)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.fields if obj else ("name", "slug", "body")

    def get_prepopulated_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return {} if obj else self.prepopulated_fields

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        for mail in users_of_snippet(form.instance.slug):
            mail.keep_version(request.user)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """What a mail puts in is not deleted."""
        found, count, missing, protected = super().get_deleted_objects(objs, request)
        users = users_of_snippet(*(snippet.slug for snippet in objs))
        return found, count, missing, [*protected, *map(_kept_by, users)]

    @admin.display(description=_("put into a mail by"))
    def put_in_by(self, snippet: Snippet) -> str:
        return format_html("<code>{}</code>", snippet.tag)

    @admin.display(description=_("used by"))
    def used_by(self, snippet: Snippet) -> str:
        links = ((_link(mail),) for mail in users_of_snippet(snippet.slug))
        return format_html_join(", ", "{}", links) or "–"


def _kept_by(mail: Mail) -> str:
    return format_html("{}: {}", mail._meta.verbose_name, _link(mail))


def _link(mail: Mail) -> str:
    url = reverse("admin:mails_mail_change", args=[mail.pk])
    return format_html('<a href="{}">{}</a>', url, mail)
