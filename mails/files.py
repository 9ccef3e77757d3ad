"""Files of mails: pictures in their text, and attachments."""

import uuid
from typing import Any

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy

from mails.content import File


def picture_path(picture: "Picture", name: str) -> str:
    """Where a picture is kept: under its digest, so the same one is kept once."""
    return f"mails/pictures/{picture.file_name}"


def attachment_path(attachment: "Attachment", name: str) -> str:
    """Where an attachment is kept: never under a name that somebody else chose."""
    return f"mails/attachments/{uuid.uuid4().hex}"


class Picture(models.Model):
    """A picture that was uploaded for use in mails."""

    name = models.CharField(gettext_lazy("name"), max_length=200)
    digest = models.CharField(gettext_lazy("digest"), max_length=64, unique=True, editable=False)
    suffix = models.CharField(gettext_lazy("format"), max_length=5, editable=False)
    file = models.FileField(gettext_lazy("file"), upload_to=picture_path)
    width = models.PositiveIntegerField(gettext_lazy("width"), editable=False)
    height = models.PositiveIntegerField(gettext_lazy("height"), editable=False)
    uploaded_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        editable=False,
        related_name="+",
        verbose_name=gettext_lazy("uploaded by"),
    )
    uploaded_at = models.DateTimeField(gettext_lazy("uploaded at"), editable=False)

    class Meta:
        verbose_name = gettext_lazy("picture")
        verbose_name_plural = gettext_lazy("pictures")
        ordering = ("-pk",)

    def __str__(self) -> str:
        return self.name

    @property
    def file_name(self) -> str:
        """The name it has in addresses and as a part of a mail: ``<digest>.png``."""
        return f"{self.digest}.{self.suffix}"


class Attachment(models.Model):
    """A file that goes along with each message of a mail."""

    mail = models.ForeignKey(
        "mails.Mail",
        models.CASCADE,
        related_name="attachments",
        verbose_name=gettext_lazy("mail"),
    )
    name = models.CharField(
        gettext_lazy("file name"),
        max_length=150,
        blank=True,
        help_text=gettext_lazy("As recipients see it. Empty: the name that the file has."),
    )
    file = models.FileField(gettext_lazy("file"), upload_to=attachment_path)
    digest = models.CharField(gettext_lazy("digest"), max_length=64, editable=False)
    size = models.PositiveIntegerField(gettext_lazy("size"), editable=False, default=0)
    content_type = models.CharField(gettext_lazy("kind"), max_length=100, editable=False)

    class Meta:
        verbose_name = gettext_lazy("attachment")
        verbose_name_plural = gettext_lazy("attachments")
        ordering = ("pk",)

    def __str__(self) -> str:
        return self.name

    def as_file(self) -> File:
        return File(self.name, self.digest)

    def save(self, *args: Any, **kwargs: Any) -> None:
        super().save(*args, **kwargs)
