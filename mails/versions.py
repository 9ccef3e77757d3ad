"""What a mail was, each time that recipients would have seen something else."""

from typing import TYPE_CHECKING, Any, Self

from django.conf import settings
from django.db import IntegrityError, models, transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy

from automation.rules.databases import database
from automation.rules.plain import PlainDataField
from mails.content import Content

if TYPE_CHECKING:
    from mails.mail import Mail


class Version(models.Model):
    """A mail's content from one moment on. Rows are never changed."""

    mail = models.ForeignKey(
        "mails.Mail", models.CASCADE, related_name="versions", verbose_name=gettext_lazy("mail")
    )
    number = models.PositiveIntegerField(gettext_lazy("number"))
    digest = models.CharField(max_length=64, editable=False)
    data = PlainDataField(gettext_lazy("content"))
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        related_name="+",
        verbose_name=gettext_lazy("changed by"),
    )
    created_at = models.DateTimeField(gettext_lazy("from"))

    class Meta:
        verbose_name = gettext_lazy("version")
        verbose_name_plural = gettext_lazy("versions")
        ordering = ("-number",)
        constraints = [
            models.UniqueConstraint(fields=["mail", "number"], name="mails_version_number")
        ]

    def __str__(self) -> str:
        return str(self.number)

    @property
    def content(self) -> Content:
        return Content.from_data(self.data)

    @classmethod
    def keep(cls, mail: "Mail", author: Any = None) -> Self:
        """The version that holds what ``mail`` is now, as a new one if that changed since the
        latest. Idempotent, and safe from several processes at once."""
        content = mail.content()
        digest = content.digest
        while True:
            latest = cls.objects.filter(mail_id=mail.pk).order_by("-number").first()
            if latest is not None and latest.digest == digest:
                return latest
            try:
                with transaction.atomic(using=database()):
                    return cls.objects.create(
                        mail_id=mail.pk,
                        number=latest.number + 1 if latest else 1,
                        digest=digest,
                        data=content.as_data(),
                        author=author if getattr(author, "pk", None) else None,
                        created_at=timezone.now(),
                    )
            except IntegrityError:
                continue  # another process was first
