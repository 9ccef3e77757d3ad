"""What changed between two versions of a mail, word by word, for people."""

import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from mails.content import Content
from mails.languages import language_name

# Tags of HTML and of Liquid are one word each; so is a run of white space.
_WORD = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|<[^<>]*>|\s+|\w+|.", re.DOTALL)

#: So many words of an unchanged text are shown before and after a change.
CONTEXT = 12
#: So many lines and words are compared with as many others; more are shown as replaced.
MOST_LINES = 600
MOST_WORDS = 250


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


def marked(before: str, after: str) -> SafeString:
    """Both texts as one, with what went in ``<del>`` and what came in ``<ins>``. Lines are
    compared first, and words only within lines that changed: the time that it takes grows
    with the square of what is compared."""
    return format_html_join("", "{}", ((piece,) for piece in _by_lines(before, after)))


def _by_lines(before: str, after: str) -> Iterator[str]:
    old, new = before.splitlines(keepends=True), after.splitlines(keepends=True)
    if len(old) * len(new) > MOST_LINES**2:
        yield from _replaced(before, after)
        return
    changes = difflib.SequenceMatcher(None, old, new).get_opcodes()
    for index, (what, i, j, k, m) in enumerate(changes):
        one, other = "".join(old[i:j]), "".join(new[k:m])
        if what == "equal":
            yield _shortened(one, is_first=index == 0, is_last=index == len(changes) - 1)
        else:
            ends = {"is_first": index == 0, "is_last": index == len(changes) - 1}
            yield from _by_words(one, other, **ends)


def _by_words(before: str, after: str, *, is_first: bool, is_last: bool) -> Iterator[str]:
    old, new = _WORD.findall(before), _WORD.findall(after)
    start = _same_at_start(old, new)
    end = _same_at_start(old[start:][::-1], new[start:][::-1])
    if start:
        yield _shortened("".join(old[:start]), is_first=is_first, is_last=False)
    yield from _in_between(old[start : len(old) - end], new[start : len(new) - end])
    if end:
        yield _shortened("".join(old[len(old) - end :]), is_first=False, is_last=is_last)


def _same_at_start(old: list[str], new: list[str]) -> int:
    pairs = zip(old, new, strict=False)
    return sum(1 for _pair in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _in_between(old: list[str], new: list[str]) -> Iterator[str]:
    if len(old) * len(new) > MOST_WORDS**2:
        yield from _replaced("".join(old), "".join(new))
        return
    changes = difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
    for what, i, j, k, m in changes:
        if what == "equal":
            yield _shortened("".join(old[i:j]), is_first=False, is_last=False)
        else:
            yield from _replaced("".join(old[i:j]), "".join(new[k:m]))


def _replaced(before: str, after: str) -> Iterator[str]:
    if before:
        yield format_html("<del>{}</del>", before)
    if after:
        yield format_html("<ins>{}</ins>", after)


def _shortened(text: str, *, is_first: bool, is_last: bool) -> str:
    """A text that stayed the same, with what is near to a change."""
    words = _WORD.findall(text) if len(text) < 200 * CONTEXT else text.split(" ")
    if len(words) <= 3 * CONTEXT:
        return format_html("{}", text)
    between = "" if len(text) < 200 * CONTEXT else " "
    start = "" if is_first else between.join(words[:CONTEXT])
    end = "" if is_last else between.join(words[-CONTEXT:])
    return format_html("{} … {}", start, end)
