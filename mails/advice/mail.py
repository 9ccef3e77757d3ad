"""All that there is to say about a mail."""

from collections.abc import Iterator, Sequence

from automation.events.event import Event
from mails.advice import samples, wordings
from mails.advice.kinds import Advice
from mails.advice.markup import Found, Markup
from mails.content import Content, Wording
from mails.mail import Mail


def advice(mail: Mail, content: Content, events: Sequence[Event]) -> list[Advice]:
    """What could be better about ``mail``, saved or not, whose ``content`` is given; from its
    templates, and from how they are filled for ``events``, the newest first. Nothing is read
    from the database but what a mail's own pictures need to be rendered."""
    written = [wording for wording in content.wordings if wording.subject or wording.body]
    found: list[Advice] = []
    for wording in written:
        found += wordings.of(wording)
        found += [_in_body(wording, each) for each in _markup(wording, content)]
    if written:
        found += wordings.about_languages(written)
        found += wordings.about_unsubscribing(content)
        found += samples.of(mail, content, events)
    return list(dict.fromkeys(found))


def _markup(wording: Wording, content: Content) -> Iterator[Found]:
    markup = Markup(wording.body, own_colours=".card" in content.design.styles)
    yield from markup.found()


def _in_body(wording: Wording, found: Found) -> Advice:
    return Advice(found.level, "body", wording.language, found.message, found.line)
