"""A mail: what it says, in which languages, to whom."""

import html
import re
import secrets
import zoneinfo
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models, transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from automation.events.event import Event
from automation.events.models import Action, template_data
from automation.events.outbox import Delivery
from automation.rules.databases import database
from automation.rules.templating import TemplateError, parse
from mails import addresses
from mails.content import Content, Design, Wording
from mails.designs import Layout, Snippet
from mails.files import Attachment
from mails.parts import make_sure
from mails.rendering import RenderedMail, compile_mail

if TYPE_CHECKING:
    from mails.versions import Version

#: What of a mail travels between sites as it is; its languages and its layout do, too.
DEFINED_FIELDS = (
    "slug", "name", "group", "language", "subject", "preheader", "body", "text",
    "to", "cc", "bcc", "reply_to", "from_email", "send_incomplete", "expires_hours",
    "account",
)  # fmt: skip

#: The fields that hold addresses for which variables may stand.
ADDRESS_FIELDS = ("to", "cc", "bcc", "reply_to")

language_code = RegexValidator(
    r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$",
    gettext_lazy("Write the language as its code, such as en, de or pt-br."),
)

# Stands between two addresses while they are filled. Nobody can guess it, so that no value has
# it.
_BETWEEN = secrets.token_hex(16)

# A tag, which may be a ``liquid`` with several in it; and what one puts in.
_TAG = re.compile(r"\{%(.*?)(?:%\}|\Z)", re.DOTALL)
_PUT_IN = re.compile(r"""\brender\s*(?:"([^"]+)"|'([^']+)')""")


class Said(models.Model):
    """What is said in one language."""

    subject = models.CharField(gettext_lazy("subject"), max_length=500)
    preheader = models.CharField(
        gettext_lazy("preview line"),
        max_length=300,
        blank=True,
        help_text=gettext_lazy("What a mailbox shows after the subject. Empty: how it begins."),
    )
    body = models.TextField(gettext_lazy("text"))
    text = models.TextField(
        gettext_lazy("plain text"),
        blank=True,
        help_text=gettext_lazy(
            "For mail programs that show no HTML. Empty: it is made from the text above."
        ),
    )

    class Meta:
        abstract = True

    def wording(self, language: str) -> Wording:
        return Wording(language, self.subject, self.body, self.preheader, self.text)

    def _take(self, wording: Wording) -> None:
        self.subject, self.preheader = wording.subject, wording.preheader
        self.body, self.text = wording.body, wording.text


class Mail(Said, Action):
    """A mail that goes out for each event of its group."""

    language = models.CharField(
        gettext_lazy("language"),
        max_length=20,
        blank=True,
        validators=[language_code],
        help_text=gettext_lazy("Of what stands here. Empty: the language of this site."),
    )
    layout = models.ForeignKey(
        Layout,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="mails",
        verbose_name=gettext_lazy("layout"),
        help_text=gettext_lazy("Empty: the one that is used by default."),
    )
    to = models.CharField(
        gettext_lazy("to"),
        max_length=1000,
        blank=True,
        help_text=gettext_lazy(
            "Empty: the person that the event is about. Or addresses, separated by commas, each "
            "of which gets a mail of its own; a variable with an address can stand for one."
        ),
    )
    cc = models.CharField(
        gettext_lazy("copy to (cc)"),
        max_length=1000,
        blank=True,
        help_text=gettext_lazy("Everybody sees who else got it."),
    )
    bcc = models.CharField(
        gettext_lazy("hidden copy to (bcc)"),
        max_length=1000,
        blank=True,
        help_text=gettext_lazy("Nobody sees that they got it."),
    )
    reply_to = models.CharField(
        gettext_lazy("answers to"),
        max_length=1000,
        blank=True,
        help_text=gettext_lazy("Empty: answers go to the sender."),
    )
    from_email = models.CharField(
        gettext_lazy("from"),
        max_length=320,
        blank=True,
        help_text=gettext_lazy("Empty: the address of this site."),
    )
    account = models.CharField(
        gettext_lazy("account"),
        max_length=100,
        blank=True,
        default="",
        db_default="",
        help_text=gettext_lazy("The e-mail account that it goes out by."),
    )
    send_incomplete = models.BooleanField(
        gettext_lazy("send it even if a value is missing"),
        default=False,
        help_text=gettext_lazy(
            "Otherwise a mail in which a variable has no value is skipped, and the message says "
            'which one. A fallback helps: {{ customer.first_name | default: "you" }}.'
        ),
    )

    class Meta:
        verbose_name = gettext_lazy("mail")
        verbose_name_plural = gettext_lazy("mails")
        permissions = [("send_test_to_others", "Can send test mails to others")]

    def __str__(self) -> str:
        return self.name

    @property
    def delivery_model(self) -> type[Delivery]:
        from mails.messages import Message

        return Message

    def deactivate(self) -> None:
        """Switch it off, without saving."""
        self.is_active = False

    # What it says -----------------------------------------------------------------------------

    @property
    def main_language(self) -> str:
        return self.language or settings.LANGUAGE_CODE

    def content(self) -> Content:
        """Everything that decides what recipients see. A few queries; keep it for a batch."""
        wordings = [self.wording(self.main_language)]
        if self.pk:
            wordings += [variant.wording(variant.language) for variant in self.variants.all()]
        layout = self.layout or Layout.default()
        design = replace(layout.design(), is_own=self.layout is not None) if layout else Design()
        attachments = [each.as_file() for each in self.attachments.all()] if self.pk else []
        return Content(
            wordings=tuple(wordings),
            design=design,
            snippets=used_snippets(templates_of(wordings, design)),
            to=self.to,
            cc=self.cc,
            bcc=self.bcc,
            reply_to=self.reply_to,
            from_email=self.from_email,
            send_incomplete=self.send_incomplete,
            attachments=tuple(attachments),
        )

    def data(self, event: Event, language: str) -> dict[str, Any]:
        """What the templates of this mail see of ``event``."""
        return {"mail": {"name": self.name, "language": language}, **template_data(event)}

    def render(
        self, event: Event, *, content: Content | None = None, language: str = ""
    ) -> RenderedMail:
        """The mail for ``event``: the one way for preview, test and delivery. It is in the
        language of the person that the event is about, or in ``language``; moments are told
        in that person's time zone. ``content`` is what to render instead of what the mail
        says now. Raises ``TemplateError``."""
        content = content or self.content()
        wording = content.wording(language or event.language)
        compiled = compile_mail(wording, content.design, content.snippets)
        with timezone.override(zone_of(event)):
            rendered = compiled.render(self.data(event, wording.language))
        make_sure(rendered.pictures, content.attachments)
        return rendered

    def keep_version(self, author: Any = None) -> "Version":
        """The version that holds what this mail says now; a new one if that has changed."""
        from mails.versions import Version

        return Version.keep(self, author)

    def go_back(self, version: "Version", author: Any = None) -> list[str]:
        """Say again what ``version`` said, as a new version, unless it would not work any
        more: then nothing is changed, and ``ValidationError`` says why. Returns what of it
        could not come back."""
        content, notes = version.content, []
        with transaction.atomic(using=database()):
            self._take(content.wordings[0])
            self.language = content.wordings[0].language
            for name in (*ADDRESS_FIELDS, "from_email", "send_incomplete"):
                setattr(self, name, getattr(content, name))
            own = content.design.slug if content.design.is_own else ""
            self.layout = Layout.objects.filter(slug=own).first()
            self.full_clean()
            self.save()
            self.variants.all().delete()
            for wording in content.wordings[1:]:
                variant = Variant(mail=self, language=wording.language)
                variant._take(wording)
                variant.full_clean()
                variant.save()
            Attachment.put_back(self, content.attachments)
            now = self.keep_version(author).content
        if now.design != content.design:
            notes.append(_("The layout has changed since then and stays as it is now."))
        if now.snippets != content.snippets:
            notes.append(_("A snippet has changed since then and stays as it is now."))
        if now.attachments != content.attachments:
            notes.append(_("An attachment that went along then is gone."))
        return notes

    # Whom it goes to --------------------------------------------------------------------------

    def recipients(self, event: Event) -> list[str]:
        """The addresses that get a message each. What is no address is among them, and an
        empty one if there is none: such a message is skipped, and says so."""
        if not self.to:
            return [event.recipient]
        try:
            found, wrong = addresses.read_each(self.filled(self.to, event))
        except TemplateError:
            return [""]  # its message says what is wrong
        return [each.address for each in found] + wrong or [""]

    def filled(self, template: str, event: Event) -> list[str]:
        """A template of addresses, filled, as one text for each. They are told apart before
        they are filled: no value adds an address. Raises ``TemplateError``."""
        pieces = addresses.split(template)
        if "{" not in template:
            return pieces
        data = self.data(event, event.language)
        try:
            return parse(_BETWEEN.join(pieces)).render(data).split(_BETWEEN)
        except TemplateError:
            # Its own places are those that the editor sees.
            parse(template).render(data)
            raise

    # Checking ---------------------------------------------------------------------------------

    def clean(self) -> None:
        from mails.proofreading import problems_of_mail

        super().clean()
        if errors := problems_of_mail(self):
            raise ValidationError(errors)


class Variant(Said):
    """The mail in a further language."""

    mail = models.ForeignKey(
        Mail, models.CASCADE, related_name="variants", verbose_name=gettext_lazy("mail")
    )
    language = models.CharField(gettext_lazy("language"), max_length=20, validators=[language_code])

    class Meta:
        verbose_name = gettext_lazy("further language")
        verbose_name_plural = gettext_lazy("further languages")
        ordering = ("language",)
        constraints = [
            models.UniqueConstraint(
                fields=["mail", "language"],
                name="mails_variant_once",
                violation_error_message=gettext_lazy("The mail has this language already."),
            )
        ]

    def __str__(self) -> str:
        return self.language

    def clean(self) -> None:
        from mails.proofreading import problems_of_said

        super().clean()
        if self.mail.main_language.lower() == self.language.lower():
            raise ValidationError({"language": _("This is the language of the mail itself.")})
        if errors := problems_of_said(self, self.mail):
            raise ValidationError(errors)


def templates_of(wordings: list[Wording], design: Design) -> Iterator[str]:
    """Every template in which a snippet can stand."""
    for wording in wordings:
        yield wording.body
    yield from (design.header, design.footer)


def used_snippets(
    templates: Iterable[str], known: Mapping[str, str] | None = None
) -> dict[str, str]:
    """The snippets that ``templates`` put in, also by way of each other, by short name.
    ``known``: all that there are, if they were read already."""
    found: dict[str, str] = {}
    wanted = _named(templates)
    while missing := wanted - found.keys():
        if known is not None:
            read = {slug: known[slug] for slug in missing & known.keys()}
        else:
            read = dict(Snippet.objects.filter(slug__in=missing).values_list("slug", "body"))
        if not read:
            break
        found |= read
        wanted = found.keys() | _named(read.values())
    return found


def _named(templates: Iterable[str]) -> set[str]:
    return {
        (one or other).strip()
        for template in templates
        for tag in _TAG.findall(template)
        # A rich editor writes quotation marks as entities.
        for one, other in _PUT_IN.findall(html.unescape(tag))
    }


def zone_of(event: Event) -> zoneinfo.ZoneInfo:
    """The time zone of the person that ``event`` is about, or that of the site."""
    try:
        return zoneinfo.ZoneInfo(event.time_zone or settings.TIME_ZONE)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return zoneinfo.ZoneInfo(settings.TIME_ZONE)
