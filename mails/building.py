"""The e-mail as it leaves: a rendered mail with its addresses, for delivery and test alike."""

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass

from django.conf import settings
from django.core.mail.utils import DNS_NAME
from django.utils.translation import gettext as _

from automation.events.event import Event
from automation.rules import conf
from mails import addresses
from mails.addresses import Address
from mails.composing import Email
from mails.content import Content, File
from mails.mail import Mail
from mails.parts import attachments_of, pictures_of
from mails.rendering import RenderedMail


@dataclass(frozen=True)
class Envelope:
    """Whom a message goes to, and whom it is from. ``left_out``: what stood among the copies
    and is no address."""

    to: str
    from_email: str
    cc: tuple[Address, ...] = ()
    bcc: tuple[Address, ...] = ()
    reply_to: tuple[Address, ...] = ()
    left_out: tuple[str, ...] = ()

    def as_data(self) -> dict[str, str]:
        """As the history keeps it: by header, those that are there."""
        found = {
            "From": self.from_email,
            "To": self.to,
            "Cc": ", ".join(map(str, self.cc)),
            "Bcc": ", ".join(map(str, self.bcc)),
            "Reply-To": ", ".join(map(str, self.reply_to)),
        }
        return {name: value for name, value in found.items() if value}


def envelope(
    mail: Mail, content: Content, event: Event, recipient: str, erased: Container[str] = ()
) -> Envelope:
    """The addresses of the message to ``recipient``. Copies go along with the first of
    several recipients only, so that nobody gets two, and never to who was ``erased``. Raises
    ``TemplateError`` if a variable among the addresses is unknown."""
    left_out: list[str] = []
    known = {recipient.casefold()}

    def read(template: str) -> tuple[Address, ...]:
        found, wrong = addresses.read_each(mail.filled(template, event))
        left_out.extend(wrong)
        return tuple(found)

    def copies(template: str) -> Iterable[Address]:
        for address in read(template):
            if address.address.casefold() in known:
                continue
            known.add(address.address.casefold())
            if address.address in erased:
                left_out.append(_("somebody who was erased"))
            else:
                yield address

    is_first = not content.to or mail.recipients(event)[:1] == [recipient]
    return Envelope(
        to=recipient,
        from_email=content.from_email or settings.DEFAULT_FROM_EMAIL,
        cc=tuple(copies(content.cc)) if is_first else (),
        bcc=tuple(copies(content.bcc)) if is_first else (),
        reply_to=read(content.reply_to),
        left_out=tuple(left_out),
    )


def build(
    rendered: RenderedMail,
    whom: Envelope,
    identity: str,
    *,
    files: Sequence[File] = (),
    is_test: bool = False,
) -> Email:
    """The e-mail with the Message-ID ``identity``, its pictures and attached ``files``. A test
    says so in its subject. Raises ``TemplateError`` if a file is gone."""
    email = Email(
        subject=_("[Test] %s") % rendered.subject if is_test else rendered.subject,
        body=rendered.text,
        from_email=whom.from_email,
        to=[whom.to],
        cc=[str(each) for each in whom.cc],
        bcc=[str(each) for each in whom.bcc],
        reply_to=[str(each) for each in whom.reply_to],
        headers={"Message-ID": identity, "Auto-Submitted": "auto-generated"},
    )
    email.attach_alternative(rendered.html, "text/html")
    for part in (*pictures_of(rendered.html), *attachments_of(files)):
        email.attach(part)
    return email


def message_id(name: object) -> str:
    """The Message-ID (RFC 5322) of what is called ``name`` here, such as a message's UUID."""
    return f"<{name}@{message_id_domain()}>"


def message_id_domain() -> str:
    address = settings.DEFAULT_FROM_EMAIL.rstrip(">")
    return conf.get().MESSAGE_ID_DOMAIN or address.rpartition("@")[2] or str(DNS_NAME)
