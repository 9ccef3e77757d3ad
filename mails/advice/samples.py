"""How a mail's templates are filled for real events: what is empty, too large, not understood."""

import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from automation.events.event import Event
from automation.rules.templating import TemplateError, parse, plain_data
from mails.advice.kinds import Advice, Level
from mails.advice.wordings import too_long
from mails.content import Content, Wording
from mails.languages import language_name
from mails.mail import Mail
from mails.proofreading import WORDED
from mails.rendering import RenderedMail

#: A large provider shows no more of a mail, in bytes, and hides the rest behind a link.
CLIPPED = 102 * 1024
#: From here on it is told.
LARGE = 90_000
#: For all events together. What is not looked at by then is left out.
SECONDS = 1.0
#: So often it may fail until nobody looks further.
FAILURES = 3


def of(mail: Mail, content: Content, events: Sequence[Event]) -> Iterator[Advice]:
    looks = _looks(mail, content, events)
    for language, look in looks.items():
        if look.failures:
            yield Advice(Level.ERROR, "", language, _cannot_be_made(look))
    for wording in content.wordings:
        if (found := looks.get(wording.language)) and found.first:
            yield from _of_rendered(wording, found.first)
    for language, look in looks.items():
        yield from _empty(look, language, content)
    yield from _other_languages(content, events)


@dataclass
class _Look:
    """What was seen of one language. ``missing``: how often each value was, by field and name,
    with the ``lines`` they are in."""

    first: RenderedMail | None = None
    tried: int = 0
    failures: list[str] = field(default_factory=list)
    filled: int = 0
    missing: Counter[tuple[str, str]] = field(default_factory=Counter)
    lines: dict[tuple[str, str], int] = field(default_factory=dict)


def _looks(mail: Mail, content: Content, events: Sequence[Event]) -> dict[str, _Look]:
    """By language. Ends early where a mail takes long or fails again and again."""
    enough = time.monotonic() + SECONDS
    looks: dict[str, _Look] = defaultdict(_Look)
    failed = 0
    for event, wording in _to_look_at(content, events):
        look = looks[wording.language]
        look.tried += 1
        try:
            rendered = mail.render(event, content=content, language=wording.language)
            look.first = look.first or rendered
            if time.monotonic() < enough:
                found = _values_missing(mail, content, wording, event)
                look.filled += 1
                look.missing.update(found.keys())
                look.lines = {**found, **look.lines}
        except TemplateError as error:
            look.failures.append(str(error))
            failed += 1
        if failed >= FAILURES or time.monotonic() > enough:
            break
    return looks


def _to_look_at(content: Content, events: Sequence[Event]) -> Iterator[tuple[Event, Wording]]:
    """Each event as its reader gets it; before that, each wording once: for its first reader,
    or for somebody else if it has none."""
    read = [(event, content.wording(event.language)) for event in events]
    firsts: list[tuple[Event, Wording]] = []
    for wording in content.wordings if events else ():
        event = next((event for event, gets in read if gets == wording), events[0])
        firsts.append((event, wording))
    yield from firsts
    yield from (each for each in read if not any(_same(each, other) for other in firsts))


def _same(one: tuple[Event, Wording], other: tuple[Event, Wording]) -> bool:
    return one[0] is other[0] and one[1] == other[1]


def _cannot_be_made(look: _Look) -> str:
    said = ngettext(
        "For %(count)d of %(total)d event it cannot be made: %(reason)s",
        "For %(count)d of %(total)d events it cannot be made: %(reason)s",
        look.tried,
    )
    return said % {"count": len(look.failures), "total": look.tried, "reason": look.failures[0]}


def _of_rendered(wording: Wording, rendered: RenderedMail) -> Iterator[Advice]:
    size = len(rendered.html.encode())
    if size >= LARGE:
        yield Advice(Level.WARNING, "body", wording.language, _too_large(size))
    if "{" in wording.subject and (long := too_long(rendered.subject)):
        yield Advice(Level.WARNING, "subject", wording.language, long)


def _too_large(size: int) -> str:
    kilobytes = round(size / 1024)
    if size > CLIPPED:
        return _(
            "The mail has %d kB. Gmail shows the first 102 kB and hides the rest: shorten it, or "
            "use fewer styles."
        ) % (kilobytes)
    return _("The mail has %d kB. Gmail hides what comes after 102 kB.") % kilobytes


def _empty(look: _Look, language: str, content: Content) -> Iterator[Advice]:
    """Which values are often missing. Values that were told to be optional are not told."""
    level = Level.HINT if content.send_incomplete else Level.WARNING
    for (said_in, name), count in look.missing.items():
        message = _empty_in(name, count, look.filled, content.send_incomplete)
        yield Advice(level, said_in, language, message, look.lines[said_in, name])


def _values_missing(
    mail: Mail, content: Content, wording: Wording, event: Event
) -> dict[tuple[str, str], int]:
    """The values that one event does not have, with the line of each, by field. What is empty
    in several fields is told in the first."""
    data = plain_data(mail.data(event, wording.language))
    found: dict[tuple[str, str], int] = {}
    told: set[str] = set()
    for name, html in WORDED.items():
        source = getattr(wording, name)
        if "{" not in source:
            continue
        template = parse(source, html=html, snippets=content.snippets)
        filled: Any = template.render_noting(data, language=wording.language)
        for empty in filled.empty:
            if empty.name not in told:
                told.add(empty.name)
                found[name, empty.name] = 0 if empty.snippet else empty.line
    return found


def _empty_in(name: str, count: int, total: int, send_incomplete: bool) -> str:
    said = ngettext(
        "“%(name)s” is empty in %(count)d of %(total)d event:",
        "“%(name)s” is empty in %(count)d of %(total)d events:",
        total,
    ) % {"name": name, "count": count, "total": total}
    if send_incomplete:
        then = _("the mail goes out with a gap there.")
    else:
        then = _("without it the mail does not go out.")
    fallback = _("Give it a fallback: %s") % f'{{{{ {name} | default: "…" }}}}'
    return f"{said} {then} {fallback}"


def _other_languages(content: Content, events: Sequence[Event]) -> Iterator[Advice]:
    """Languages that recipients read and the mail does not have. Who stands in ``to`` is known
    to whoever wrote it, and is not the person that the event is about."""
    if content.to and "{" not in content.to:
        return
    asked = Counter(_main_part(event.language) for event in events if event.language)
    for language, count in asked.most_common():
        gets = content.wording(language).language
        if _main_part(gets) == language:
            continue
        said = ngettext(
            "%(count)d of %(total)d recipient reads %(language)s and gets it in %(gets)s.",
            "%(count)d of %(total)d recipients read %(language)s and get it in %(gets)s.",
            len(events),
        )
        message = said % {
            "count": count,
            "total": len(events),
            "language": language_name(language),
            "gets": language_name(gets),
        }
        yield Advice(Level.HINT, "language", content.wordings[0].language, message)


def _main_part(language: str) -> str:
    return language.lower().replace("_", "-").partition("-")[0]
