"""What a preview shows: a mail as somebody would get it, and what would keep it from them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parseaddr
from typing import Self

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from automation.events.event import Event
from automation.rules.templating import TemplateError
from mails.building import Envelope, envelope
from mails.content import Content
from mails.languages import language_name
from mails.mail import Mail
from mails.obstacles import incomplete, unreachable
from mails.rendering import RenderedMail, one_line

VIEWS = {
    "html": gettext_lazy("As a mail"),
    "text": gettext_lazy("As plain text"),
    "headers": gettext_lazy("Headers"),
    "languages": gettext_lazy("All languages"),
}
SIZES = {"desktop": gettext_lazy("Desktop"), "phone": gettext_lazy("Phone")}

# How plain text shows headings and tables: no inbox does.
_UNDERLINED = re.compile(r"[=*_-]{3,}")

#: So much of a mail's beginning stands in an inbox if it has no preview line.
BEGINNING = 140


@dataclass(frozen=True)
class Choice:
    """What is looked at and how, as the page's address says it. Without a ``language`` it is
    the one that the person reads."""

    key: str = ""
    search: str = ""
    language: str = ""
    view: str = "html"
    size: str = "desktop"
    dark: bool = False

    @classmethod
    def of(cls, query: Mapping[str, str], content: Content) -> Self:
        """What is not there to be chosen is left out."""
        written = [wording.language for wording in content.wordings]
        language, view, size = (query.get(name, "") for name in ("language", "view", "size"))
        return cls(
            key=query.get("key", ""),
            search=query.get("q", "").strip(),
            language=language if language in written else "",
            view=view if view in VIEWS and (len(written) > 1 or view != "languages") else "html",
            size=size if size in SIZES else "desktop",
            dark=bool(query.get("dark")),
        )


@dataclass(frozen=True)
class Look:
    """The mail in one language as the person of an event would get it; without ``rendered``
    it cannot be made, for the reason in ``error``. ``incomplete``: why it would not be sent
    as it is."""

    language: str
    rendered: RenderedMail | None = None
    whom: Envelope | None = None
    error: str = ""
    incomplete: str = ""

    @property
    def language_name(self) -> str:
        return language_name(self.language)

    @property
    def sender(self) -> str:
        """Who it is from as an inbox shows it."""
        name, address = parseaddr(self.whom.from_email if self.whom else "")
        return name or address

    @property
    def beginning(self) -> str:
        """What an inbox shows after the subject."""
        if self.rendered is None:
            return ""
        text = _UNDERLINED.sub(" ", self.rendered.text)
        return self.rendered.preheader or one_line(text)[:BEGINNING]


def look(mail: Mail, content: Content, event: Event, language: str = "") -> Look:
    """``mail`` for ``event``, rendered and addressed as when it is sent."""
    language = content.wording(language or event.language).language
    try:
        rendered = mail.render(event, content=content, language=language)
        whom = envelope(mail, content, event, mail.recipients(event)[0])
    except TemplateError as error:
        return Look(language, error=str(error))
    return Look(language, rendered, whom, incomplete=incomplete(content, rendered))


def unreached(mail: Mail, event: Event) -> list[str]:
    """Why those who should get a message of ``event`` do not, a sentence for each of them."""
    found = (unreachable(mail, event, recipient) for recipient in mail.recipients(event))
    return list(dict.fromkeys(filter(None, found)))


def headers(mail: Mail, seen: Look, event: Event) -> list[tuple[str, str]]:
    """What stands above the text in a mail program, and what does not: hidden copies."""
    if seen.rendered is None or seen.whom is None:
        return []
    found = [
        (_("From"), seen.whom.from_email),
        (_("To"), ", ".join(filter(None, mail.recipients(event))) or _("nobody")),
        (_("Copy"), ", ".join(map(str, seen.whom.cc))),
        (_("Hidden copy"), ", ".join(map(str, seen.whom.bcc))),
        (_("No copy, as it is no address"), ", ".join(seen.whom.left_out)),
        (_("Answers to"), ", ".join(map(str, seen.whom.reply_to))),
        (_("Subject"), seen.rendered.subject),
        (_("Preview line"), seen.rendered.preheader),
        (_("Language"), seen.language_name),
    ]
    return [(name, value) for name, value in found if value]
