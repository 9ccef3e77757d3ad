"""The styles of a layout: CSS that editors write, as far as mail can have it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any

import tinycss2
from django.utils.translation import gettext as _

from mails.html import STYLE_PROPERTIES

#: The longest style sheet in characters.
MAX_STYLES = 20_000

# What loads something, runs something or ends the style element, in any spelling: an escape
# could spell all of them.
_FORBIDDEN = ("<", "\\", "@import", "@font-face", "@charset", "expression(", "javascript:")


#: The most brackets that are open at one place: what reads them goes deeper with each.
MAX_BRACKETS = 20

_BRACKETS = re.compile(
    r"""/\*(?:.*?\*/|.*)|"[^"\n]*"?|'[^'\n]*'?|[()\[\]{}]""",
    re.DOTALL,
)
_CLOSING = {"(": ")", "[": "]", "{": "}"}

#: What to write instead of a property that many know from web pages.
_INSTEAD = {"background": "background-color"}


@dataclass(frozen=True)
class Styles:
    """``inline``: rules that are written into the tags; ``media``: ``@media`` blocks, which
    stay in the style sheet; ``classes``: the names that a text may use."""

    inline: str
    media: str
    classes: frozenset[str]


@lru_cache(maxsize=256)
def read(css: str) -> Styles:
    """The parts of ``css``; what ``problems`` complains about is left out."""
    nothing = Styles("", "", frozenset())
    if any(forbidden in css.lower() for forbidden in _FORBIDDEN) or len(css) > MAX_STYLES:
        return nothing
    if _is_deep(css):
        return nothing
    try:
        return _read(css)
    except RecursionError:  # brackets that are counted otherwise, as in a broken url()
        return nothing


def _read(css: str) -> Styles:
    inline, media, classes = [], [], set[str]()
    for rule in _rules(css):
        if rule.type == "qualified-rule" and not list(_wrong_declarations(rule)):
            inline.append(rule.serialize())
            classes |= _classes(rule.prelude)
        elif rule.type == "at-rule" and rule.lower_at_keyword == "media" and rule.content:
            inner = _rules_of(rule.content)
            if any(True for each in inner for _wrong in _wrong_declarations(each)):
                continue
            media.append(rule.serialize())
            for each in inner:
                classes |= _classes(each.prelude)
    return Styles("\n".join(inline), "\n".join(media), frozenset(classes))


def problems(css: str) -> list[str]:
    """What of ``css`` cannot be in a mail, and where."""
    if len(css) > MAX_STYLES:
        return [_("The styles have more than %d characters.") % MAX_STYLES]
    found = [
        _("“%s” has no place in the styles of a mail.") % forbidden
        for forbidden in _FORBIDDEN
        if forbidden in css.lower()
    ]
    if found:
        return found
    deep = [_("The styles have more than %d brackets inside each other.") % MAX_BRACKETS]
    if _is_deep(css):
        return deep
    try:
        _read(css)
        return list(_problems(css))
    except RecursionError:
        return deep


def _is_deep(css: str) -> bool:
    """Whether too many brackets are open at once, also if they are never closed."""
    expected: list[str] = []
    for sign in _BRACKETS.finditer(css):
        if sign[0] in _CLOSING:
            expected.append(_CLOSING[sign[0]])
            if len(expected) > MAX_BRACKETS:
                return True
        elif expected and sign[0] == expected[-1]:
            expected.pop()
    return False


def _problems(css: str) -> Iterator[str]:
    for rule in _rules(css):
        if rule.type == "error":
            yield _placed(rule, _("this cannot be read: %s") % rule.message)
        elif rule.type == "at-rule" and (rule.lower_at_keyword != "media" or not rule.content):
            yield _placed(rule, _("only @media is possible here."))
        elif rule.type == "at-rule":
            for inner in _rules_of(rule.content):
                yield from _wrong_declarations(inner)
        else:
            yield from _wrong_declarations(rule)


def _rules(css: str) -> list[Any]:
    return list(tinycss2.parse_stylesheet(css, skip_comments=True, skip_whitespace=True))


def _rules_of(content: list[Any]) -> list[Any]:
    return list(tinycss2.parse_rule_list(content, skip_comments=True, skip_whitespace=True))


def _wrong_declarations(rule: Any) -> Iterator[str]:
    if rule.type == "error":
        yield _placed(rule, _("this cannot be read: %s") % rule.message)
        return
    if rule.type != "qualified-rule":
        yield _placed(rule, _("this cannot stand here."))
        return
    for part in tinycss2.parse_blocks_contents(
        rule.content, skip_comments=True, skip_whitespace=True
    ):
        if part.type != "declaration":
            yield _placed(part, _("this is no “name: value”."))
        elif part.lower_name not in STYLE_PROPERTIES:
            yield _placed(part, _not_for_mails(part))
        elif any(token.type in ("url", "function") and _loads(token) for token in part.value):
            yield _placed(part, _("“%s” must not load anything.") % part.name)


def _not_for_mails(part: Any) -> str:
    if better := _INSTEAD.get(part.lower_name):
        return _("“%(name)s” is not for mails. Use “%(better)s” instead.") % {
            "name": part.name,
            "better": better,
        }
    return _("“%s” is not for mails.") % part.name


def _loads(token: Any) -> bool:
    return token.type == "url" or token.lower_name in ("url", "image", "image-set", "src", "attr")


def _classes(prelude: list[Any]) -> set[str]:
    return {name.value for dot, name in pairwise(prelude) if dot == "." and name.type == "ident"}


def _placed(part: Any, message: str) -> str:
    return _("Line %(line)d, column %(column)d: %(reason)s") % {
        "line": part.source_line,
        "column": part.source_column,
        "reason": message,
    }
