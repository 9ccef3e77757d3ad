"""What is said: subject, preview line, languages."""

import re
from collections.abc import Iterator, Sequence

from django.utils.translation import gettext as _

from mails.advice.kinds import Advice, Level
from mails.advice.markup import LOGIC, VALUE, masked
from mails.content import Content, Wording
from mails.languages import language_name

#: What mail programs show of a subject at the most.
LONGEST_SUBJECT = 70

_SHOUTING = re.compile(r"!{2,}|\?{2,}")
#: In the languages that the product knows, and in some more.
_UNSUBSCRIBE = re.compile(
    r"unsubscrib|opt[- ]?out|abmeld|abbestell|austrag|d[ée]sabonn|d[ée]sinscri|disiscri|"
    r"annulla l.iscrizione|darse de baja|cancelar (?:la )?suscripci|uitschrijv|afmeld",
    re.IGNORECASE,
)


def of(wording: Wording) -> Iterator[Advice]:
    """About the subject and the preview line of one wording."""
    said = masked(wording.subject).replace(VALUE, "").replace(LOGIC, "").strip()
    if "{" not in wording.subject and (long := too_long(wording.subject)):
        yield Advice(Level.WARNING, "subject", wording.language, long)
    letters = [character for character in said if character.isalpha()]
    if len(letters) > 3 and all(character.isupper() for character in letters):
        message = _("It is all in capitals, as spam often is.")
        yield Advice(Level.WARNING, "subject", wording.language, message)
    if shouting := _SHOUTING.search(said):
        message = _("“%s” makes it look like spam.") % shouting[0][:5]
        yield Advice(Level.WARNING, "subject", wording.language, message)
    if not wording.preheader.strip():
        message = _("Without it a mailbox shows how the text begins.")
        yield Advice(Level.HINT, "preheader", wording.language, message)
    elif _bare(wording.preheader) == _bare(wording.subject):
        message = _("It says the same as the subject, so a mailbox shows that twice.")
        yield Advice(Level.WARNING, "preheader", wording.language, message)


def too_long(subject: str) -> str:
    """What to tell of a subject that is too long; empty for one that is not."""
    if len(subject) <= LONGEST_SUBJECT:
        return ""
    said = _("It has %(length)d characters. Mail programs show up to %(most)d, phones about 40.")
    return said % {"length": len(subject), "most": LONGEST_SUBJECT}


def about_languages(wordings: Sequence[Wording]) -> Iterator[Advice]:
    """About further languages that say the same as the first one."""
    main, *others = wordings
    for wording in others:
        if _bare(wording.body) == _bare(main.body) != "":
            message = _("It is the same as in %s: is it still to be translated?")
            level, field = Level.WARNING, "body"
        elif _bare(wording.subject) == _bare(main.subject) != "":
            message, level, field = _("It is the same as in %s."), Level.HINT, "subject"
        else:
            continue
        yield Advice(level, field, wording.language, message % language_name(main.language))


def about_unsubscribing(content: Content) -> Iterator[Advice]:
    """A mail about an order needs no such link, so this is never more than a hint."""
    design = content.design
    around = [design.header, design.footer, *content.snippets.values()]
    for wording in content.wordings:
        if not any(_UNSUBSCRIBE.search(template) for template in [wording.body, *around]):
            message = _(
                "There is no link to unsubscribe. A newsletter needs one; a mail about an order, "
                "a cart or an account does not."
            )
            yield Advice(Level.HINT, "body", wording.language, message)
            return


def _bare(text: str) -> str:
    return " ".join(text.split()).casefold()
