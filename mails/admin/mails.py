"""Mails in the admin: written, previewed, gone back to what they were."""

import difflib
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import NON_FIELD_ERRORS
from django.forms.formsets import DELETION_FIELD_NAME
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _

from automation.events import bulk
from automation.events.admin import state_badge
from automation.events.event import GROUP_LENGTH
from automation.events.groups import GROUP_HELP, made_groups, producers
from automation.rules.bulk import export
from automation.rules.definition_admin import Importable
from automation.rules.forms import TextWithSuggestions
from mails import mailers
from mails.admin.attachments import AttachmentInline
from mails.admin.permissions import OfMail
from mails.admin.shortening import shortened
from mails.languages import language_name, languages
from mails.models import Mail, Variant
from mails.pages import advice, pages, variables
from mails.parts import problems
from mails.widgets import MailEditor

WORDED_WIDGETS: dict[str, Any] = {
    "language": TextWithSuggestions(languages, {"size": 8}),
    # What is chosen from the list of variables can be written into these.
    "subject": forms.TextInput(attrs={"class": "vLargeTextField", "data-liquid-field": ""}),
    "preheader": forms.TextInput(attrs={"class": "vLargeTextField", "data-liquid-field": ""}),
    "body": MailEditor(),
    "text": forms.Textarea(
        attrs={"rows": 8, "class": "vLargeTextField plain-text", "data-liquid-field": ""}
    ),
}


class MailForm(forms.ModelForm):  # type: ignore[type-arg]
    class Meta:
        model = Mail
        fields = (
            "name", "slug", "group", "is_active", "language", "subject", "preheader", "body",
            "text", "layout", "to", "cc", "bcc", "reply_to", "from_email", "send_incomplete",
            "expires_hours", "account",
        )  # fmt: skip
        widgets = {
            **WORDED_WIDGETS,
            "group": TextWithSuggestions(made_groups, {"maxlength": GROUP_LENGTH}),
            **{
                name: forms.TextInput(attrs={"class": "vLargeTextField"})
                for name in ("to", "cc", "bcc", "reply_to", "from_email")
            },
        }
        help_texts = {
            "group": GROUP_HELP,
            "send_incomplete": _(
                "Otherwise a mail in which a variable has no value is skipped, and the message "
                'says which one. A fallback helps: {{ … | default: "you" }}.'
            ),
        }
        error_messages = {
            "slug": {"unique": _("This short name is taken. Choose another one.")},
            "group": {"required": _("Name the event group that this is for.")},
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "account" in self.fields:
            choices = account_choices(self.instance.account)
            label, help_text = Mail._meta.get_field("account"), self.fields["account"].help_text
            self.fields["account"] = forms.ChoiceField(
                label=capfirst(label.verbose_name),
                help_text=help_text,
                choices=choices,
                required=False,
            )


def account_choices(current: str) -> list[tuple[str, str]]:
    """The accounts that a mail can go out by, and the one that it says, should it be gone."""
    first, *others = mailers.mailers()
    found = [("", str(first)), *((each.name, str(each)) for each in others)]
    if current == first.name:
        return [(first.name, str(first)), *found[1:]]
    if current and mailers.mailer(current) is None:
        found.append((current, _("%s (is gone)") % current))
    return found


class VariantForm(forms.ModelForm):  # type: ignore[type-arg]
    class Meta:
        model = Variant
        fields = ("language", "subject", "preheader", "body", "text")
        widgets = WORDED_WIDGETS


class VariantLines(forms.BaseInlineFormSet):  # type: ignore[type-arg]
    def clean(self) -> None:
        """A language can be there once, however it is written. Instead of Django's own check,
        which says so above all lines."""
        seen: set[str] = set()
        for form in self.forms:
            said = getattr(form, "cleaned_data", {})
            language = "" if said.get(DELETION_FIELD_NAME) else said.get("language", "").lower()
            if language and language in seen:
                form.errors.pop(NON_FIELD_ERRORS, None)  # the same, told by the database
                form.add_error("language", _("The mail has this language already."))
            seen.add(language)


class VariantInline(OfMail, admin.StackedInline):
    """The mail in further languages."""

    model = Variant
    form = VariantForm
    formset = VariantLines
    extra = 0
    fields = ("language", "subject", "preheader", "body", "text")
    classes = ("variants",)


@admin.register(Mail)
class MailAdmin(Importable):
    form = MailForm
    change_form_template = "admin/mails/change_form.html"
    list_display = ("name", "state", "group", "what_it_says", "in_languages", "preview_link")
    list_filter = ("is_active", "layout")
    search_fields = ("name", "slug", "group", "subject")
    prepopulated_fields = {"slug": ("name",)}
    inlines = (VariantInline, AttachmentInline)
    actions = (bulk.switch_on, bulk.switch_off, export)
    fieldsets = (
        (None, {"fields": ("name", "slug", "group", "is_active")}),
        (_("What it says"), {"fields": ("subject", "preheader", "body")}),
        (_("Plain text and looks"), {"classes": ("collapse",), "fields": ("text", "layout")}),
        (
            _("Whom it goes to"),
            {
                "classes": ("collapse",),
                "fields": ("to", "cc", "bcc", "reply_to", "from_email", "send_incomplete"),
            },
        ),
        (_("When"), {"classes": ("collapse",), "fields": ("expires_hours",)}),
        (_("Language"), {"classes": ("collapse",), "fields": ("language",)}),
    )

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).prefetch_related("variants")

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """An account is chosen only where there is a choice."""
        fieldsets = super().get_fieldsets(request, obj)
        if len(account_choices(obj.account if obj else "")) < 2:
            return fieldsets
        how = (_("How"), {"classes": ("collapse",), "fields": ("account",)})
        return (*fieldsets[:-2], how, *fieldsets[-2:])

    def get_object(self, request: HttpRequest, object_id: str, from_field: Any = None) -> Any:
        try:
            return super().get_object(request, object_id, from_field)
        except OverflowError:  # no database has such a long number
            return None

    def get_urls(self) -> list[Any]:
        return [*pages(self), *super().get_urls()]

    def save_model(self, request: HttpRequest, obj: Mail, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if change and obj.is_active and "is_active" in form.changed_data:
            bulk.tell_waiting(request, obj)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        mail = Mail.objects.get(pk=form.instance.pk)
        mail.keep_version(request.user)
        for gone in problems(mail.content()):
            messages.warning(request, gone)
        if warning := _nobody_makes(mail.group):
            messages.warning(request, warning)
        advice.tell(request, mail)

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

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> Any:
        mail = self.get_object(request, object_id)
        if mail is not None and mail.messages.exists():
            messages.error(
                request,
                _("“%s” was sent, and what was sent stays in the history. Switch it off instead.")
                % mail,
            )
            return HttpResponseRedirect(reverse("admin:mails_mail_change", args=[mail.pk]))
        return super().delete_view(request, object_id, extra_context)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """What belongs to a mail goes with it and asks for no permission of its own."""
        found, count, missing, protected = super().get_deleted_objects(objs, request)
        return found, count, missing & {str(self.opts.verbose_name)}, protected

    def render_change_form(
        self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any
    ) -> Any:
        # The group as it stands in the form: saved, typed and refused, or given by a link.
        form = context["adminform"].form
        if "group" in form.fields:
            group = str(form["group"].value() or "").strip()
        else:  # whoever may only look at the mail
            group = context["original"].group
        context |= variables.context_of(self, request, group)
        may_write = "group" in form.fields
        context |= advice.of_page(context, may_write=may_write)
        return super().render_change_form(request, context, *args, **kwargs)

    @admin.display(description=_("subject"), ordering="subject")
    def what_it_says(self, mail: Mail) -> str:
        return shortened(mail.subject)

    @admin.display(description=_("state"), ordering="is_active")
    def state(self, mail: Mail) -> str:
        if mail.is_active:
            return state_badge("armed", _("active"))
        return state_badge("paused", _("not active"))

    @admin.display(description=_("languages"))
    def in_languages(self, mail: Mail) -> str:
        codes = [mail.main_language, *(variant.language for variant in mail.variants.all())]
        return ", ".join(map(language_name, codes))

    @admin.display(description=_("preview"))
    def preview_link(self, mail: Mail) -> str:
        url = reverse("admin:mails_mail_preview", args=[mail.pk])
        return format_html('<a href="{}">{}</a>', url, _("Look"))


def _nobody_makes(pattern: str) -> str:
    """What to tell if no events of this group are made here; empty if some are."""
    if producers(pattern):
        return ""
    known = [group for group, _label in made_groups()]
    near = difflib.get_close_matches(pattern, known, n=1)
    said = _("No generator makes events of the group “%s”, so this mail goes to nobody yet.")
    if not near:
        return said % pattern
    meant = _("Did you mean “%s”?") % near[0]
    return f"{said % pattern} {meant}"
