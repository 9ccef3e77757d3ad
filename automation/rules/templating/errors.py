"""What is wrong with a template, in words for whoever wrote it."""

import difflib
from collections.abc import Iterable

from django.utils.translation import gettext as _
from liquid import Token
from liquid.exceptions import LiquidError, ResourceLimitError
from liquid.token import TOKEN_EOF, TOKEN_OUTPUT, TOKEN_TAG

from automation.rules.templating.values import Refused

#: The most problems of one template that are told. Finding the place and what was meant takes
#: time.
MAX_PROBLEMS = 100


class TemplateError(Exception):
    """What is wrong with a template, in words for whoever wrote it.

    The message names line and column where they are known; both count from 1, in the
    template, or in the snippet if one is named. ``reason`` is the message without them.
    """

    def __init__(
        self,
        message: str,
        line: int | None = None,
        column: int | None = None,
        reason: str = "",
        snippet: str = "",
    ) -> None:
        super().__init__(message, line, column, reason, snippet)
        self.message = message
        self.line = line
        self.column = column
        self.reason = reason or message
        self.snippet = snippet

    def __str__(self) -> str:
        return self.message


def template_error(reason: str, token: Token | None, snippet: str = "") -> TemplateError:
    """An error at ``token`` of the template or of a snippet, or at no place if that has none."""
    if token is None or token.start_index < 0:
        return TemplateError(placed(reason, snippet=snippet), reason=reason, snippet=snippet)
    line, column = position(token)
    return TemplateError(placed(reason, line, column, snippet), line, column, reason, snippet)


def placed(reason: str, line: int = 0, column: int = 0, snippet: str = "") -> str:
    """``reason`` with its place, as far as that is known."""
    if line:
        reason = _("Line %(line)d, column %(column)d: %(reason)s") % {
            "line": line,
            "column": column,
            "reason": reason,
        }
    if snippet:
        return _("In the snippet “%(slug)s”: %(reason)s") % {"slug": snippet, "reason": reason}
    return reason


def position(token: Token) -> tuple[int, int]:
    """Line and column of ``token``, both counted from 1."""
    before = token.source[: token.start_index]
    return before.count("\n") + 1, len(before) - before.rfind("\n")


def too_complicated() -> str:
    return _("The template is too complicated.")


def unknown_filter(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name[:40], known, 1)
    if not near:
        return _("There is no filter “%s”.") % name[:40]
    return _("There is no filter “%(name)s”. Did you mean “%(near)s”?") % {
        "name": name[:40],
        "near": near[0],
    }


def reason_of(error: LiquidError) -> str:
    """What python-liquid says to developers, said to editors."""
    if isinstance(error, Refused):
        return str(error.message)
    said, token = str(error.message), error.token
    found = token.value.strip()[:40] if token else ""
    if said.startswith("unknown operator") or found == "=":
        return _("“%s” does not compare anything. Use == != < > <= >= or contains.") % found
    if "missing expression" in said:
        return _("Something is missing after “%s”.") % found
    if "ternary" in said or "not operator" in said or "parentheses" in said:
        return _("Liquid does not know “%s” here. Use “{%% if … %%}” tags.") % found
    if found in ("'", '"'):
        return _("This text is never closed with %s.") % found
    if isinstance(error, ResourceLimitError):
        return too_complicated()
    if token is None or token.kind in (TOKEN_EOF, TOKEN_TAG, TOKEN_OUTPUT):
        return _("Something is missing or too much between these braces.")
    if not found:
        return _("Liquid does not understand this.")
    return _("Liquid does not understand “%s” here.") % found
