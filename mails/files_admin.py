"""Pictures in the admin, and the attachments on a mail's form."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core import signing
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.files.uploadedfile import SimpleUploadedFile, UploadedFile
from django.forms.models import BaseInlineFormSet
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.template.defaultfilters import filesizeformat
from django.urls import path, re_path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.http import content_disposition_header
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from automation.events.admin import moment
from automation.rules import conf
from mails import attachments, picture_views, pictures, storage
from mails.embedding import FILE_NAME
from mails.encoding import PictureError
from mails.files import Attachment, Picture
from mails.models import Mail, Version
from mails.pictures import users_of_picture

# Pictures -----------------------------------------------------------------------------------


class UploadForm(forms.ModelForm):  # type: ignore[type-arg]
    """A new picture. It is taken in while the form is checked, so that what is wrong with it
    is told at the field."""

    upload = forms.FileField(
        label=_("Picture"),
        widget=forms.FileInput(attrs={"accept": "image/png,image/jpeg,image/gif,image/webp"}),
        help_text=_(
            "PNG, JPEG, GIF or WebP. What is wider than 1600 pixels is scaled down; where and "
            "when a photo was taken is removed from it."
        ),
    )
    name = forms.CharField(
        label=_("Name"),
        max_length=200,
        required=False,
        widget=forms.TextInput(attrs={"class": "vTextField"}),
        help_text=_("For finding it again. Empty: the name that the file has."),
    )

    class Meta:
        model = Picture
        fields = ("name",)

    def clean_upload(self) -> UploadedFile:
        upload: UploadedFile = self.cleaned_data["upload"]
        try:
            self.made = pictures.take_in(upload)
        except PictureError as error:
            raise ValidationError(str(error)) from error
        return upload


@admin.register(Picture)
class PictureAdmin(admin.ModelAdmin):
    change_form_template = "admin/change_form.html"  # not the one of mails
    list_display = ("thumbnail", "name", "measures", "uploaded", "uploaded_by")
    list_display_links = ("thumbnail", "name")
    list_select_related = ("uploaded_by",)
    list_per_page = picture_views.PER_PAGE
    search_fields = ("name",)
    fields = ("shown", "name", "measures", "uploaded", "uploaded_by", "shown_in")
    readonly_fields = ("shown", "measures", "uploaded", "uploaded_by", "shown_in")

    def get_urls(self) -> list[Any]:
        wrap = self.admin_site.admin_view
        return [
            path("upload/", wrap(self.upload_view), name="mails_image_upload"),
            path("choose/", wrap(self.choose_view), name="mails_image_choose"),
            re_path(
                rf"^file/(?P<file_name>{FILE_NAME})$",
                # Browsers may keep it: what is under this name is always the same.
                self.admin_site.admin_view(picture_views.file, cacheable=True),
                name="mails_image_file",
            ),
            *super().get_urls(),
        ]

    def upload_view(self, request: HttpRequest) -> JsonResponse:
        return picture_views.upload(self, request)

    def choose_view(self, request: HttpRequest) -> JsonResponse:
        return picture_views.choose(self, request)

    def get_form(self, request: HttpRequest, obj: Any = None, *args: Any, **kwargs: Any) -> Any:
        if obj is None:
            kwargs["form"] = UploadForm
        return super().get_form(request, obj, *args, **kwargs)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.fields if obj else ("upload", "name")

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        if change:
            super().save_model(request, obj, form, change)
            return
        before = Picture.objects.count()
        name = form.cleaned_data["name"] or form.cleaned_data["upload"].name
        obj.pk = pictures.keep(form.made, name, request.user).pk
        obj.refresh_from_db()
        if Picture.objects.count() == before:
            messages.info(request, _("This picture was here already, as “%s”.") % obj)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """What a mail shows, or showed in a version, is not deleted."""
        found, count, missing, protected = super().get_deleted_objects(objs, request)
        users = dict.fromkeys(user for picture in objs for user in users_of_picture(picture))
        return found, count, missing, [*protected, *map(_link, users)]

    def delete_queryset(self, request: HttpRequest, queryset: Any) -> None:
        for picture in queryset:
            picture.delete()

    @admin.display(description=_("picture"))
    def thumbnail(self, picture: Picture) -> str:
        return _image(picture, 80)

    @admin.display(description=_("picture"))
    def shown(self, picture: Picture) -> str:
        return _image(picture, 400)

    @admin.display(description=_("size"))
    def measures(self, picture: Picture) -> str:
        return f"{picture.width} × {picture.height} {picture.suffix.upper()}"

    @admin.display(description=_("uploaded"), ordering="uploaded_at")
    def uploaded(self, picture: Picture) -> str:
        return moment(picture.uploaded_at)

    @admin.display(description=_("shown in"))
    def shown_in(self, picture: Picture) -> str:
        links = ((_link(user),) for user in users_of_picture(picture))
        return format_html_join(SafeString(", "), "{}", links) or "–"


def _image(picture: Picture, most: int) -> str:
    return format_html(
        '<img src="{}" alt="{}" style="max-width: min({}px, 100%); max-height: {}px">',
        picture_views.address_of(picture),
        picture.name,
        most,
        most,
    )


def _link(user: Any) -> str:
    url = reverse(f"admin:{user._meta.app_label}_{user._meta.model_name}_change", args=[user.pk])
    kind = user._meta.verbose_name
    return format_html('{}: <a href="{}">{}</a>', kind, url, user)


# Attachments --------------------------------------------------------------------------------


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


class AttachmentInline(admin.StackedInline):
    """The files that go along. Whoever may change the mail may change them."""

    model = Attachment
    form = AttachmentForm
    formset = AttachmentFormSet
    extra = 1
    max_num = 20
    fields = ("file", "name")
    classes = ("attachments",)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("mails.view_mail") or self.has_change_permission(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("mails.change_mail") or request.user.has_perm("mails.add_mail")

    has_add_permission = has_delete_permission = has_change_permission


def attachment_view(
    model_admin: admin.ModelAdmin, request: HttpRequest, pk: int, digest: str
) -> HttpResponse:
    """A file that goes along with a mail, or did in one of its versions, to be saved."""
    try:
        mail = Mail.objects.filter(pk=pk).first()
    except OverflowError:  # SQLite's numbers end somewhere
        mail = None
    if mail is None:
        raise Http404
    if not model_admin.has_view_permission(request, mail):
        raise PermissionDenied
    name = _name_of(mail, digest)
    try:
        data = storage.read(f"{storage.ATTACHMENTS}/{digest}") if name else b""
    except (storage.Gone, storage.Unreachable) as error:
        raise Http404(str(_("This file is gone."))) from error
    if not name:
        raise Http404
    response = HttpResponse(data, content_type=attachments.content_type_of(name))
    response["Content-Disposition"] = content_disposition_header(True, name)
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    return response


def _name_of(mail: Mail, digest: str) -> str:
    now = (each.as_file() for each in mail.attachments.filter(digest=digest))
    before = (
        file
        for version in Version.objects.filter(mail=mail)
        for file in version.content.attachments
    )
    return next((file.name for file in (*now, *before) if file.digest == digest), "")
