"""The attachments on a mail's form."""

from typing import Any

from django import forms
from django.contrib import admin
from django.core import signing
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import SimpleUploadedFile, UploadedFile
from django.forms.models import BaseInlineFormSet
from django.template.defaultfilters import filesizeformat
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from automation.rules import conf
from mails import attachments, storage
from mails.admin.permissions import OfMail
from mails.files import Attachment


class AttachmentInput(forms.FileInput):
    """A file to choose. One that was uploaded in a form that could not be saved need not be
    uploaded again: it is ``kept``, as digest and name."""

    kept: tuple[str, str] | None = None

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> Any:
        shown = super().render(name, value, attrs, renderer)
        if self.kept is None:
            return shown
        kept = signing.dumps(self.kept, salt=type(self).__name__)
        return format_html(
            '<span class="kept-file">{}<input type="hidden" name="{}-kept" value="{}"> '
            '<label class="inline"><input type="checkbox" name="{}-left-out"> {}</label></span>{}',
            _("“%s” is uploaded.") % self.kept[1],
            name,
            kept,
            name,
            _("Leave it out"),
            shown,
        )

    def value_from_datadict(self, data: Any, files: Any, name: str) -> Any:
        uploaded = super().value_from_datadict(data, files, name)
        if uploaded or not data.get(f"{name}-kept") or data.get(f"{name}-left-out"):
            return uploaded
        try:
            digest, file_name = signing.loads(data[f"{name}-kept"], salt=type(self).__name__)
            return SimpleUploadedFile(file_name, storage.read(f"{storage.ATTACHMENTS}/{digest}"))
        except (signing.BadSignature, storage.Gone, storage.Unreachable):
            return None

    def value_omitted_from_data(self, data: Any, files: Any, name: str) -> bool:
        return name not in files and f"{name}-kept" not in data


class KeptFile(forms.Widget):
    """The file of an attachment that is saved: to look at, not to change."""

    # The first form of a formset decides whether files can be sent at all.
    needs_multipart_form = True

    def __init__(self, attachment: Attachment) -> None:
        super().__init__()
        self.attachment = attachment

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> Any:
        saved = self.attachment
        url = reverse("admin:mails_mail_attachment", args=[saved.mail_id, saved.digest])
        return format_html(
            '<a href="{}">{}</a>&ensp;{}', url, saved.name, filesizeformat(saved.size)
        )


class AttachmentForm(forms.ModelForm):  # type: ignore[type-arg]
    class Meta:
        model = Attachment
        fields = ("file", "name")
        widgets = {"file": AttachmentInput}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            self.fields["file"] = forms.Field(
                label=_("File"),
                required=False,
                disabled=True,
                widget=KeptFile(self.instance),
                help_text=_("Another file is another attachment: add it, and delete this one."),
            )
        else:
            endings = ", ".join(attachments.KINDS)
            self.fields["file"].max_length = None  # a long name is cut
            self.fields["file"].help_text = _("%(endings)s; up to %(most)d MB.") % {
                "endings": endings,
                "most": conf.get().UPLOAD_MEGABYTES,
            }
            self.fields["file"].widget.attrs["accept"] = ",".join(
                f".{ending}" for ending in attachments.KINDS
            )

    def _post_clean(self) -> None:
        super()._post_clean()
        uploaded = self.cleaned_data.get("file")
        if isinstance(uploaded, UploadedFile) and "file" not in self.errors:
            self.fields["file"].widget.kept = self.instance.digest, uploaded.name


class AttachmentFormSet(BaseInlineFormSet):  # type: ignore[type-arg]
    def clean(self) -> None:
        super().clean()
        most = conf.get().ATTACHMENTS_MEGABYTES
        kept = [form.instance for form in self.forms if not self._should_delete_form(form)]
        if sum(attachment.size for attachment in kept) > most * attachments.MEGABYTE:
            raise ValidationError(
                _(
                    "Together the attachments are larger than %d MB, which many mail servers "
                    "refuse. Leave one out, or link to it."
                )
                % most
            )


class AttachmentInline(OfMail, admin.StackedInline):
    """The files that go along."""

    model = Attachment
    form = AttachmentForm
    formset = AttachmentFormSet
    extra = 1
    max_num = 20
    fields = ("file", "name")
    classes = ("attachments",)

    def get_extra(self, request: Any, obj: Any = None, **kwargs: Any) -> int:
        """A new mail has other things to say first; without scripts one is added afterwards."""
        return self.extra if obj is not None else 0
