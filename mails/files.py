"""Files of mails: pictures in their text, and attachments."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from automation.rules import conf
from automation.rules.databases import database
from mails import attachments, storage
from mails.content import File

if TYPE_CHECKING:
    from mails.mail import Mail


def picture_path(picture: "Picture", name: str) -> str:
    """Where a picture is kept: under its digest, so the same one is kept once."""
    return f"{storage.PICTURES}/{picture.file_name}"


def attachment_path(attachment: "Attachment", name: str) -> str:
    """Where an attachment is kept: never under a name that somebody else chose."""
    return f"{storage.ATTACHMENTS}/{attachment.digest}"


class Picture(models.Model):
    """A picture that was uploaded for use in mails. ``mails.pictures.keep`` makes one."""

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

    def delete(self, *args: Any, **kwargs: Any) -> Any:
        """With its file. Refused while a mail shows it, or showed it in a version."""
        from mails.pictures import remove_file, users_of_picture

        if users := users_of_picture(self):
            raise models.ProtectedError(
                _("It is shown in: %s.") % ", ".join(map(str, users)), set(users)
            )
        file_name = self.file_name
        deleted = super().delete(*args, **kwargs)
        transaction.on_commit(lambda: remove_file(file_name), using=database())
        return deleted


class Attachment(models.Model):
    """A file that goes along with each message of a mail. Its bytes stay where they are when
    it is deleted: versions of the mail name them, and those that nothing names are pruned."""

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
    #: What was uploaded, until it is saved.
    _taken_in: bytes | None = None

    class Meta:
        verbose_name = gettext_lazy("attachment")
        verbose_name_plural = gettext_lazy("attachments")
        ordering = ("pk",)

    def __str__(self) -> str:
        return self.name

    def as_file(self) -> File:
        return File(self.name, self.digest)

    @classmethod
    def put_back(cls, mail: "Mail", files: Iterable[File]) -> None:
        """Let ``mail`` have just these files, as a version of it had. What is gone stays away.
        Raises ``ValidationError`` if the storage does not answer."""
        if [each.as_file() for each in mail.attachments.all()] == list(files):
            return
        found: list[Any] = []
        for file in files:
            made = cls(
                mail=mail,
                name=file.name,
                digest=file.digest,
                content_type=attachments.content_type_of(file.name),
            )
            made.file = attachment_path(made, "")
            try:
                made.size = len(storage.read(attachment_path(made, "")))
            except storage.Gone:
                continue
            except storage.Unreachable as error:
                raise ValidationError(
                    _("The attachments cannot be read just now: %s") % error
                ) from error
            found.append(made)
        mail.attachments.all().delete()
        cls.objects.bulk_create(found)

    def clean(self) -> None:
        """A new file is kept at once: what is wrong with it must be told in the form."""
        super().clean()
        if not self.file:
            return
        try:
            self._take_in()
        except storage.Unreachable as error:
            raise ValidationError(
                {"file": _("The file cannot be kept just now: %s") % error}
            ) from error

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Raises ``ValidationError`` for a file that may not go along."""
        self._take_in()
        super().save(*args, **kwargs)
        if self._taken_in is not None:
            # What was uploaded may have been there, named by nothing, and been pruned since.
            path, data = attachment_path(self, ""), self._taken_in
            transaction.on_commit(lambda: storage.keep(path, data), using=database(), robust=True)
            self._taken_in = None

    def _take_in(self) -> None:
        file: Any = self.file
        if not file._committed:
            data = self._uploaded(file)
            self.digest = storage.digest_of(data)
            self.size = len(data)
            self.content_type = attachments.content_type_of(file.name)
            self.name = self.name or file.name
            storage.keep(attachment_path(self, ""), data)
            self._taken_in = data
            self.file = attachment_path(self, "")
        plain = attachments.plain_name(self.name, _("file"))
        self.name = attachments.name_for(plain, self.content_type)

    def _uploaded(self, file: Any) -> bytes:
        most = conf.get().UPLOAD_MEGABYTES
        try:
            # One more than allowed tells that it is too much.
            file.open()
            data: bytes = file.read(most * attachments.MEGABYTE + 1)
            attachments.check(file.name, data)
        except attachments.AttachmentError as error:
            raise ValidationError({"file": str(error)}) from error
        return data
