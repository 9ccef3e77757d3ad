"""How a mail's templates are filled for real events: what is empty, too large, not understood."""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from automation.events.event import Event
from automation.rules.templating import TemplateError, parse, plain_data
from mails.advice.kinds import Advice, Level
from mails.advice.wordings import too_long
from mails.content import Content, Wording
from mails.differences import language_name
from mails.mail import Mail
from mails.proofreading import WORDED

#: A large provider shows no more of a mail, in bytes, and hides the rest behind a link.
CLIPPED = 102 * 1024
#: From here on it is told.
LARGE = 90_000
#: For all events together. What is not looked at by then is left out.
SECONDS = 1.0


def of(mail: Mail, content: Content, events: Sequence[Event]) -> Iterator[Advice]:
    yield from _rendered(mail, content, events)
    yield from _empty(mail, content, events)
    yield from _other_languages(content, events)


def _rendered(mail: Mail, content: Content, events: Sequence[Event]) -> Iterator[Advice]:
    """Each wording once, as its first reader would get it."""
    for wording in content.wordings:
        event = next((each for each in events if content.wording(each.language) == wording), None)
        if event is None and not events:
            return
        try:
            rendered = mail.render(event or events[0], content=content, language=wording.language)
        except TemplateError:
            continue  # the preview and the proof tell that
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


def _empty(mail: Mail, content: Content, events: Sequence[Event]) -> Iterator[Advice]:
    """Which values are often missing. Values that were told to be optional are not told."""
    enough = time.monotonic() + SECONDS
    looked_at: Counter[str] = Counter()
    missing: Counter[tuple[str, str, str]] = Counter()
    lines: dict[tuple[str, str, str], int] = {}
    for event in events:
        if time.monotonic() > enough:
            break
        wording = content.wording(event.language)
        try:
            found = _values_missing(mail, content, wording, event)
        except TemplateError:
            continue
        looked_at[wording.language] += 1
        for (field, name), line in found.items():
            key = (wording.language, field, name)
            missing[key] += 1
            lines.setdefault(key, line)
    for (language, field, name), count in missing.items():
        total = looked_at[language]
        message = _empty_in(name, count, total, content.send_incomplete)
        level = Level.HINT if content.send_incomplete else Level.WARNING
        yield Advice(level, field, language, message, lines[language, field, name])


def _values_missing(
    mail: Mail, content: Content, wording: Wording, event: Event
) -> dict[tuple[str, str], int]:
    """The values that one event does not have, with the line of each, by field. What is empty
    in several fields is told in the first."""
    data = plain_data(mail.data(event, wording.language))
    found: dict[tuple[str, str], int] = {}
    told: set[str] = set()
    for field, html in WORDED.items():
        source = getattr(wording, field)
        if "{" not in source:
            continue
        template = parse(source, html=html, snippets=content.snippets)
        filled: Any = template.render_noting(data, language=wording.language)
        for empty in filled.empty:
            if empty.name not in told:
                told.add(empty.name)
                found[field, empty.name] = 0 if empty.snippet else empty.line
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
    """Languages that recipients read and the mail does not have."""
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
