"""Pictures in the admin."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, JsonResponse
from django.urls import path, re_path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from automation.events.admin import moment
from automation.rules.styled_admin import StyledAdmin
from mails import pictures
from mails.embedding import FILE_NAME
from mails.encoding import PictureError
from mails.files import Picture
from mails.pages import pictures as pages
from mails.pictures import users_of_picture


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
class PictureAdmin(StyledAdmin):
    change_form_template = "admin/change_form.html"  # not the one of mails
    list_display = ("thumbnail", "name", "measures", "uploaded", "uploaded_by")
    list_display_links = ("thumbnail", "name")
    list_select_related = ("uploaded_by",)
    list_per_page = pages.PER_PAGE
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
                self.admin_site.admin_view(pages.file, cacheable=True),
                name="mails_image_file",
            ),
            *super().get_urls(),
        ]

    def upload_view(self, request: HttpRequest) -> JsonResponse:
        return pages.upload(self, request)

    def choose_view(self, request: HttpRequest) -> JsonResponse:
        return pages.choose(self, request)

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
        pages.address_of(picture),
        picture.name,
        most,
        most,
    )


def _link(user: Any) -> str:
    url = reverse(f"admin:{user._meta.app_label}_{user._meta.model_name}_change", args=[user.pk])
    kind = user._meta.verbose_name
    return format_html('{}: <a href="{}">{}</a>', kind, url, user)
