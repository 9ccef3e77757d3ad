"""What mails share: the layout around them, and snippets to put into them."""

from typing import Any, ClassVar

from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.db.models.signals import pre_delete
from django.dispatch import receiver
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from automation.rules.databases import database
from mails.content import Design


class Layout(models.Model):
    """What stands around the text of mails: header, footer, and how it all looks."""

    #: The parts that are templates.
    TEMPLATES: ClassVar[tuple[str, ...]] = ("header", "footer")

    name = models.CharField(gettext_lazy("name"), max_length=100)
    slug = models.SlugField(
        gettext_lazy("short name"),
        max_length=100,
        unique=True,
        help_text=gettext_lazy("Names it in exports. Letters, digits and hyphens."),
    )
    is_default = models.BooleanField(
        gettext_lazy("used by default"),
        default=False,
        help_text=gettext_lazy("For all mails that name no layout of their own."),
    )
    header = models.TextField(
        gettext_lazy("header"), blank=True, help_text=gettext_lazy("Stands above the mail's text.")
    )
    footer = models.TextField(
        gettext_lazy("footer"), blank=True, help_text=gettext_lazy("Stands below the mail's text.")
    )
    styles = models.TextField(
        gettext_lazy("styles"),
        blank=True,
        help_text=gettext_lazy(
            "CSS, which is written into the tags when a mail is made. It adds to the built-in "
            "styles. The names .page, .card, .header and .footer stand for the parts of the mail."
        ),
    )

    class Meta:
        verbose_name = gettext_lazy("layout")
        verbose_name_plural = gettext_lazy("layouts")
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """What would no longer work in the mails that have this layout is an error, too."""
        from mails.proofreading import problems_of_layout

        super().clean()
        if errors := problems_of_layout(self):
            raise ValidationError(errors)

    def save(self, *args: Any, **kwargs: Any) -> None:
        with transaction.atomic(using=database()):
            super().save(*args, **kwargs)
            if self.is_default:
                type(self).objects.exclude(pk=self.pk).filter(is_default=True).update(
                    is_default=False
                )

    @classmethod
    def default(cls) -> "Layout | None":
        """The one for mails that name none; None stands for the built-in one."""
        return cls.objects.filter(is_default=True).order_by("pk").first()

    def design(self) -> Design:
        return Design(self.name, self.slug, self.header, self.footer, self.styles)


class Snippet(models.Model):
    """A piece that several mails put in: ``{% render "opening-hours" %}``."""

    name = models.CharField(gettext_lazy("name"), max_length=100)
    slug = models.SlugField(
        gettext_lazy("short name"),
        max_length=100,
        unique=True,
        help_text=gettext_lazy("Mails put it in by this name. Letters, digits and hyphens."),
    )
    body = models.TextField(gettext_lazy("text"))

    class Meta:
        verbose_name = gettext_lazy("snippet")
        verbose_name_plural = gettext_lazy("snippets")
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name

    @property
    def tag(self) -> str:
        """What puts it into a mail."""
        return f'{{% render "{self.slug}" %}}'

    def clean(self) -> None:
        """What would no longer work in the mails that put it in is an error, too."""
        from mails.proofreading import problems_of_snippet

        super().clean()
        if errors := problems_of_snippet(self):
            raise ValidationError(errors)


# Signals, since these are sent whichever way something is deleted.


@receiver(pre_delete, sender=Snippet)
def _keep_a_snippet_in_use(instance: Snippet, **kwargs: Any) -> None:
    from mails.proofreading import users_of_snippet

    if users := users_of_snippet(instance.slug):
        raise models.ProtectedError(
            _("It is put into: %s.") % ", ".join(map(str, users)), set(users)
        )


@receiver(pre_delete, sender=Layout)
def _keep_the_default_layout_in_use(instance: Layout, **kwargs: Any) -> None:
    from mails.proofreading import relying_on_default

    if users := relying_on_default([instance]):
        raise models.ProtectedError(
            _("It is used by default, by: %s.") % ", ".join(map(str, users)), set(users)
        )
