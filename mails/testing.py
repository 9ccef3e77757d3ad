"""For tests of projects: what mails make of an event."""

import difflib
import html
import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from automation.events.event import Event, name_of
from automation.events.models import EventRecord
from mails import samples
from mails.mail import Mail
from mails.preview import Look, look
from mails.rendering import RenderedMail

__all__ = ["assert_mail_rendered"]

# unittest leaves the frames of such a module out of what it shows of a failure.
__unittest = True

#: So many lines of a mail stand in the message of a failure.
LINES = 40

Texts = str | Sequence[str]


def assert_mail_rendered(
    event: Event | EventRecord | str | type[Event],
    *,
    mail: Mail | str | None = None,
    subject: str | re.Pattern[str] | None = None,
    contains: Texts = (),
    not_contains: Texts = (),
    to: Texts | None = None,
    language: str | None = None,
) -> list[RenderedMail]:
    """Render what each active mail makes of ``event`` as it would be sent, and return that.
    Nothing is sent or written.

    ``event`` is an event, recorded or not, or a group or class of events: then it is the one of
    it that was recorded last. ``mail``, a mail or its short name, looks at this one only, active
    or not. What is asserted must hold for each: it can be rendered and misses no value that
    would keep it from being sent; ``subject`` is what it has, or is found in it if it is a
    compiled regular expression; all of ``contains`` stands in its text or its HTML, and nothing
    of ``not_contains``, whatever white space is between the words; the messages go ``to`` these
    addresses; and it is in this ``language``.

    Raises ``AssertionError``, which shows the mail, or who hears what if there is none.
    """
    __tracebackhide__ = True
    expected = _Expected(subject, _texts(contains), _texts(not_contains), to, language)
    if isinstance(event, Event):
        happened = samples.as_recorded(event)
    elif isinstance(event, EventRecord):
        happened = event.as_event()
    else:
        happened = _latest(name_of(event))
    chosen = _hearing(happened.group) if mail is None else [_named(mail, happened.group)]
    return [expected.met_by(each, happened) for each in chosen]


def _texts(given: Texts) -> list[str]:
    found = [given] if isinstance(given, str) and given else list(given)
    if not all(text.strip() for text in found):
        raise ValueError("A text without characters is in every mail: assert something else.")
    return found


@dataclass(frozen=True)
class _Expected:
    subject: str | re.Pattern[str] | None
    contains: list[str]
    not_contains: list[str]
    to: Texts | None
    language: str | None

    def met_by(self, mail: Mail, event: Event) -> RenderedMail:
        __tracebackhide__ = True
        seen = look(mail, mail.content(), event)
        what = f"The mail “{mail.slug}” for the event {event.group} ({event.key})"
        if seen.rendered is None:
            raise AssertionError(f"{what} cannot be made: {seen.error}")
        to = mail.recipients(event)
        if wrong := list(self._wrong(seen, seen.rendered, to)):
            told = "\n".join(f"- {problem}" for problem in wrong)
            shown = textwrap.indent(_shown(seen.rendered, to), "  ")
            raise AssertionError(f"{what} is not as expected:\n{told}\nIt is:\n{shown}")
        return seen.rendered

    def _wrong(self, seen: Look, rendered: RenderedMail, to: list[str]) -> Iterator[str]:
        if seen.incomplete:
            yield f"It would not be sent. {seen.incomplete}"
        if isinstance(self.subject, re.Pattern):
            if not self.subject.search(rendered.subject):
                yield f"{self.subject.pattern!r} is not found in the subject {rendered.subject!r}."
        elif self.subject is not None and self.subject != rendered.subject:
            yield f"The subject is {rendered.subject!r}, not {self.subject!r}."
        versions = [rendered.text, rendered.html, html.unescape(rendered.html)]
        said = [_bare(version) for version in versions]
        for text in self.contains:
            if not any(_bare(text) in version for version in said):
                yield f"{text!r} is not in it."
        for text in self.not_contains:
            if any(_bare(text) in version for version in said):
                yield f"{text!r} is in it."
        if self.to is not None:
            wanted = [self.to] if isinstance(self.to, str) else list(self.to)
            if wanted != to:
                yield f"It goes to {_listed(to)}, not to {_listed(wanted)}."
        if self.language is not None and self.language != rendered.language:
            yield f"It is in {rendered.language!r}, not in {self.language!r}."


def _bare(text: str) -> str:
    return " ".join(text.split())


def _listed(addresses: Iterable[str]) -> str:
    return ", ".join(filter(None, addresses)) or "nobody"


def _shown(rendered: RenderedMail, to: list[str]) -> str:
    lines = rendered.text.splitlines()
    more = [f"… and {len(lines) - LINES} more lines"] if len(lines) > LINES else []
    empty = [f"Empty: {', '.join(rendered.empty)}"] if rendered.empty else []
    return "\n".join(
        [
            f"To: {_listed(to)}",
            f"Subject: {rendered.subject}",
            f"Language: {rendered.language}",
            *empty,
            "",
            *lines[:LINES],
            *more,
        ]
    )


# Which event, and which mails -----------------------------------------------------------------


def _latest(group: str) -> Event:
    __tracebackhide__ = True
    record = EventRecord.objects.filter(group=group).order_by("-pk").first()
    if record is None:
        known = EventRecord.objects.order_by("group").values_list("group", flat=True).distinct()
        raise AssertionError(
            f"No event of the group “{group}” was recorded.{_near(group, known)} "
            f"Recorded were events of: {', '.join(known) or 'no group'}."
        )
    return record.as_event()


def _hearing(group: str) -> list[Mail]:
    __tracebackhide__ = True
    mails = list(Mail.objects.order_by("slug"))
    hearing = [mail for mail in mails if mail.hears(group)]
    if active := [mail for mail in hearing if mail.is_active]:
        return active
    if hearing:
        names = ", ".join(f"“{mail.slug}”" for mail in hearing)
        raise AssertionError(
            f"No active mail hears the group “{group}”. {names} would, but is not active: name it "
            "with mail=…, or make it active."
        )
    heard = ", ".join(f"“{mail.slug}” hears “{mail.group}”" for mail in mails)
    raise AssertionError(
        f"No mail hears the group “{group}”.{_near(group, (mail.group for mail in mails))} "
        f"{heard or 'There is no mail at all'}."
    )


def _named(mail: Mail | str, group: str) -> Mail:
    __tracebackhide__ = True
    if isinstance(mail, str):
        known = {each.slug: each for each in Mail.objects.all()}
        if mail not in known:
            slugs = ", ".join(sorted(known)) or "none"
            raise AssertionError(
                f"There is no mail with the short name “{mail}”.{_near(mail, known)} "
                f"There are: {slugs}."
            )
        mail = known[mail]
    if not mail.hears(group):
        raise AssertionError(f"The mail “{mail.slug}” hears “{mail.group}”, not “{group}”.")
    return mail


def _near(written: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(written, list(known), 1)
    return f" Did you mean “{near[0]}”?" if near else ""
