"""Editors' templates: Liquid that sees plain data, knows its limits and says what is wrong.

    template = parse("Hello {{ customer.first_name }}")
    template.render({"customer": {"first_name": "Ann"}})

Nothing but ``TemplateError`` ever comes out of here, whatever the template or the data.
"""

import difflib
import threading
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, NamedTuple

from django.utils.translation import gettext as _
from liquid import BoundTemplate, Token
from liquid.builtin.expressions import Filter
from liquid.exceptions import LiquidError, ResourceLimitError
from liquid.token import TOKEN_EOF, TOKEN_OUTPUT, TOKEN_TAG

from automation.rules import plain
from automation.rules.templating import values
from automation.rules.templating.expressions import harden
from automation.rules.templating.runtime import (
    HTML,
    MAX_SECONDS,
    TEXT,
    Buffer,
    Context,
    LockedEnvironment,
)
from automation.rules.templating.values import Data, Refused

__all__ = ["Data", "Template", "TemplateError", "parse", "plain_data"]


class TemplateError(Exception):
    """What is wrong with a template, in words for whoever wrote it.

    The message names line and column where they are known; both count from 1. ``reason``
    is the message without them.
    """

    def __init__(
        self,
        message: str,
        line: int | None = None,
        column: int | None = None,
        reason: str = "",
    ) -> None:
        super().__init__(message, line, column, reason)
        self.message = message
        self.line = line
        self.column = column
        self.reason = reason or message

    def __str__(self) -> str:
        return self.message


def plain_data(data: Mapping[str, Any]) -> Data:
    """``data`` made ready for templates, once for several. Raises ``TemplateError`` if there
    is something in it that templates must not see."""
    try:
        return values.plain_data(data)
    except LiquidError as error:
        raise TemplateError(_reason(error)) from None
    except Exception as error:
        raise TemplateError(_("The data cannot be read: %s") % str(error)[:200]) from error


class Parsed(NamedTuple):
    """A template in parts."""

    environment: LockedEnvironment
    bound: BoundTemplate
    filters: list[Filter]


class Template:
    """A parsed template. It can be rendered any number of times, from several threads."""

    def __init__(self, parsed: Parsed) -> None:
        self._bound = parsed.bound

    def render(self, data: Mapping[str, Any], *, seconds: float = MAX_SECONDS) -> str:
        """The text that this template makes of ``data``, within ``seconds``.

        Raises ``TemplateError`` for an unknown variable, a value that does not fit, and
        whatever takes too much time or memory. Moments are shown in the current time zone
        (``django.utils.timezone.override``). What cannot be stored (NUL, half a character)
        becomes U+FFFD.
        """
        context = Context(self._bound, plain_data(data), seconds)
        buffer = Buffer()
        try:
            for node in self._bound.nodes:
                context.token = node.token
                node.render(context, buffer)  # type: ignore[arg-type]
            return buffer.getvalue()
        except LiquidError as error:
            raise template_error(_reason(error), error.token or context.token) from None
        except RecursionError:
            raise template_error(_too_complicated(), context.token) from None
        except Exception as error:
            said = str(error)[:200] or type(error).__name__
            reason = _("This cannot be rendered: %s") % said
            raise template_error(reason, context.token) from error


def parse(source: str, *, html: bool = False) -> Template:
    """``source`` ready to be rendered. Raises ``TemplateError`` for a mistake in it.

    With ``html`` values are escaped, and entities that a rich editor has put between braces
    (``&gt;``) are read as what they stand for. Templates are cached by their source.
    """
    key = (source, html)
    if (kept := _cache.get(key)) is not None:
        return kept
    parsed = parse_tree(source, html=html)
    for used in parsed.filters:
        if used.name not in parsed.environment.filters:
            raise template_error(unknown_filter(used.name, parsed.environment), used.token)
    template = Template(parsed)
    _cache.keep(key, template)
    return template


class _Cache:
    """The templates used last. What counts is the length of all of them together: a parsed
    template takes up to a hundred times its source."""

    def __init__(self, longest: int) -> None:
        self._longest = longest
        self._length = 0
        self._kept: OrderedDict[tuple[str, bool], Template] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: tuple[str, bool]) -> Template | None:
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def keep(self, key: tuple[str, bool], template: Template) -> None:
        with self._lock:
            if key in self._kept:
                return
            self._kept[key] = template
            self._length += len(key[0])
            while self._length > self._longest:
                (source, _html), _template = self._kept.popitem(last=False)
                self._length -= len(source)


_cache = _Cache(longest=1_000_000)


def parse_tree(source: str, *, html: bool = False) -> Parsed:
    """The parts of ``source``, whose filters may still be unknown. Raises ``TemplateError``."""
    environment = HTML if html else TEXT
    try:
        nodes = environment.nodes(plain.text(source))
        bound = BoundTemplate(environment, nodes)
        return Parsed(environment, bound, harden(nodes, Context(bound, Data(), MAX_SECONDS)))
    except LiquidError as error:
        raise template_error(_reason(error), error.token) from None
    except RecursionError:
        raise TemplateError(_too_complicated()) from None
    except Exception as error:
        raise TemplateError(_("This cannot be read as a template: %s") % error) from error


def unknown_filter(name: str, environment: LockedEnvironment) -> str:
    near = difflib.get_close_matches(name[:40], environment.filters, 1)
    if not near:
        return _("There is no filter “%s”.") % name[:40]
    return _("There is no filter “%(name)s”. Did you mean “%(near)s”?") % {
        "name": name[:40],
        "near": near[0],
    }


def template_error(reason: str, token: Token | None) -> TemplateError:
    """An error at ``token``, or at no place if that has none."""
    if token is None or token.start_index < 0:
        return TemplateError(reason)
    line, column = position(token)
    return TemplateError(placed(reason, line, column), line, column, reason)


def placed(reason: str, line: int, column: int) -> str:
    return _("Line %(line)d, column %(column)d: %(reason)s") % {
        "line": line,
        "column": column,
        "reason": reason,
    }


def position(token: Token) -> tuple[int, int]:
    """Line and column of ``token``, both counted from 1."""
    before = token.source[: token.start_index]
    return before.count("\n") + 1, len(before) - before.rfind("\n")


def _too_complicated() -> str:
    return _("The template is too complicated.")


def _reason(error: LiquidError) -> str:
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
        return _too_complicated()
    if token is None or token.kind in (TOKEN_EOF, TOKEN_TAG, TOKEN_OUTPUT):
        return _("Something is missing or too much between these braces.")
    if not found:
        return _("Liquid does not understand this.")
    return _("Liquid does not understand “%s” here.") % found
