"""What changed between two versions of a mail, word by word, for people."""

import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import get_language_info
from django.utils.translation import gettext as _

from mails.content import Content

# Tags of HTML and of Liquid are one word each; so is a run of white space.
_WORD = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|<[^<>]*>|\s+|\w+|.", re.DOTALL)

#: So many words of an unchanged text are shown before and after a change.
CONTEXT = 12
#: Longer texts are compared line by line: comparing words takes the square of their number.
MAX_WORDS = 5_000


@dataclass(frozen=True)
class Difference:
    """A part of the mail that changed: its label, and the texts with marks (HTML)."""

    label: str
    marked: SafeString


def differences(before: Content | None, after: Content) -> list[Difference]:
    """The parts that are not the same, in the order of the mail's page; with None before, all
    that there is."""
    old = dict(_parts(before)) if before else {}
    new = dict(_parts(after))
    labels = [*new, *(label for label in old if label not in new)]
    return [
        Difference(label, marked(old.get(label, ""), new.get(label, "")))
        for label in labels
        if old.get(label, "") != new.get(label, "")
    ]


def changed_parts(before: Content | None, after: Content) -> list[str]:
    """The labels of ``differences``, without the work of finding them word by word."""
    old = dict(_parts(before)) if before else {}
    new = dict(_parts(after))
    labels = [*new, *(label for label in old if label not in new)]
    return [label for label in labels if old.get(label, "") != new.get(label, "")]


def _parts(content: Content) -> Iterator[tuple[str, str]]:
    several = len(content.wordings) > 1
    for wording in content.wordings:
        language = f" ({language_name(wording.language)})" if several else ""
        yield _("Subject") + language, wording.subject
        yield _("Preview line") + language, wording.preheader
        yield _("Text") + language, wording.body
        yield _("Plain text") + language, wording.text
    if not several:
        yield _("Language"), language_name(content.wordings[0].language)
    yield _("To"), content.to
    yield _("Copy"), content.cc
    yield _("Hidden copy"), content.bcc
    yield _("Answers to"), content.reply_to
    yield _("From"), content.from_email
    yield _("Sent even if a value is missing"), _("yes") if content.send_incomplete else _("no")
    yield _("Layout"), content.design.name
    yield _("Header of the layout"), content.design.header
    yield _("Footer of the layout"), content.design.footer
    yield _("Styles of the layout"), content.design.styles
    for slug, body in content.snippets.items():
        yield _("Snippet “%s”") % slug, body
    yield (
        _("Attachments"),
        "\n".join(f"{each.name} ({each.digest[:8]})" for each in content.attachments),
    )


def language_name(code: str) -> str:
    """The language's name in the language of whoever reads."""
    try:
        return str(get_language_info(code)["name_translated"])
    except KeyError:
        return code


def marked(before: str, after: str) -> SafeString:
    """Both texts as one, with what went in ``<del>`` and what came in ``<ins>``."""
    old, new = _words(before), _words(after)
    if max(len(old), len(new)) > MAX_WORDS:
        old, new = before.splitlines(keepends=True), after.splitlines(keepends=True)
    pieces = []
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    codes = matcher.get_opcodes()
    for index, (what, i, j, k, m) in enumerate(codes):
        if what == "equal":
            same = _shortened(old[i:j], is_first=index == 0, is_last=index == len(codes) - 1)
            pieces.append(format_html("{}", same))
            continue
        if i < j:
            pieces.append(format_html("<del>{}</del>", "".join(old[i:j])))
        if k < m:
            pieces.append(format_html("<ins>{}</ins>", "".join(new[k:m])))
    return format_html_join("", "{}", ((piece,) for piece in pieces))


def _words(text: str) -> list[str]:
    return _WORD.findall(text)


def _shortened(words: list[str], *, is_first: bool, is_last: bool) -> str:
    if len(words) <= 3 * CONTEXT:
        return "".join(words)
    start = "" if is_first else "".join(words[:CONTEXT])
    end = "" if is_last else "".join(words[-CONTEXT:])
    return f"{start} … {end}"
