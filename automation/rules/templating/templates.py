"""Editors' templates: Liquid that sees plain data, knows its limits and says what is wrong.

    template = parse("Hello {{ customer.first_name }}")
    template.render({"customer": {"first_name": "Ann"}}, language="de")

Nothing but ``TemplateError`` ever comes out of here, whatever the template or the data; only
what the caller's own ``snippets`` raise is the caller's.
"""

import threading
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, NamedTuple

from django.utils.translation import gettext as _
from liquid.exceptions import LiquidError

from automation.rules.templating import values
from automation.rules.templating.errors import (
    TemplateError,
    position,
    reason_of,
    template_error,
    too_complicated,
    unknown_filter,
)
from automation.rules.templating.localising import localisation
from automation.rules.templating.reading import Parsed, parse_tree
from automation.rules.templating.runtime import MAX_SECONDS, Buffer, Context, Noted
from automation.rules.templating.snippets import Snippets, source_of
from automation.rules.templating.values import Data

__all__ = ["Data", "EmptyValue", "Rendered", "Template", "parse", "plain_data"]


def plain_data(data: Mapping[str, Any]) -> Data:
    """``data`` made ready for templates, once for several. Raises ``TemplateError`` if there
    is something in it that templates must not see."""
    try:
        return values.plain_data(data)
    except LiquidError as error:
        raise TemplateError(reason_of(error)) from None
    except Exception as error:
        raise TemplateError(_("The data cannot be read: %s") % str(error)[:200]) from error


class EmptyValue(NamedTuple):
    """A variable that was to be printed and had no value. Line and column count from 1, in the
    template, or in the snippet if one is named."""

    name: str
    line: int
    column: int
    snippet: str = ""


class Rendered(NamedTuple):
    """What a template made, and what was missing in it."""

    text: str
    empty: tuple[EmptyValue, ...]


class Template:
    """A parsed template. It can be rendered any number of times, from several threads."""

    def __init__(self, parsed: Parsed) -> None:
        self._bound = parsed.bound
        #: The texts of the snippets that it uses, those of its snippets included.
        self.snippets: Mapping[str, str] = parsed.snippets

    def render(
        self, data: Mapping[str, Any], *, language: str = "en", seconds: float = MAX_SECONDS
    ) -> str:
        """The text that this template makes of ``data``, within ``seconds``.

        Money, numbers and dates are written in ``language`` (any code; English if it is not
        known), moments in the current time zone (``django.utils.timezone.override``).
        What cannot be stored (NUL, half a character) becomes U+FFFD.

        Raises ``TemplateError`` for an unknown variable, a value that does not fit, and
        whatever takes too much time or memory.
        """
        return self.render_noting(data, language=language, seconds=seconds).text

    def render_noting(
        self, data: Mapping[str, Any], *, language: str = "en", seconds: float = MAX_SECONDS
    ) -> Rendered:
        """The same, with the variables that printed nothing although their author did not
        say that they may, with ``default: ""``. Each place counts once, a hundred at most."""
        plain = plain_data(data)
        context = Context(self._bound, plain, seconds, localisation(str(language)[:40]))
        buffer = Buffer()
        try:
            for node in self._bound.nodes:
                context.token = node.token
                node.render(context, buffer)  # type: ignore[arg-type]
            return Rendered(buffer.getvalue(), tuple(map(_empty_value, context.empty.values())))
        except LiquidError as error:
            reason, token = reason_of(error), error.token or context.token
            raise template_error(reason, token, context.snippet) from None
        except RecursionError:
            raise template_error(too_complicated(), context.token, context.snippet) from None
        except Exception as error:
            reason = _("This cannot be rendered: %s") % (str(error)[:200] or type(error).__name__)
            raise template_error(reason, context.token, context.snippet) from error


def _empty_value(noted: Noted) -> EmptyValue:
    return EmptyValue(noted.name, *position(noted.token), noted.snippet)


def parse(source: str, *, html: bool = False, snippets: Snippets | None = None) -> Template:
    """``source`` ready to be rendered. Raises ``TemplateError`` for a mistake in it, or in a
    snippet that it uses.

    With ``html`` values are escaped, and entities that a rich editor has put between braces
    (``&gt;``) are read as what they stand for. ``snippets`` is where ``{% render "slug" %}``
    finds its texts; without it there are none. Templates are cached by their source and
    those of their snippets.
    """
    if (kept := _cache.get((source, html))) is not None and _is_current(kept, snippets):
        return kept
    parsed = parse_tree(source, html=html, snippets=snippets)
    for error in parsed.errors:
        raise error
    for text in parsed.texts.values():
        for used in text.filters:
            if used.name not in parsed.environment.filters:
                reason = unknown_filter(used.name, parsed.environment.filters)
                raise template_error(reason, used.token, text.slug)
    template = Template(parsed)
    _cache.keep((source, html), template)
    return template


def _is_current(template: Template, snippets: Snippets | None) -> bool:
    return all(source_of(snippets, slug) == text for slug, text in template.snippets.items())


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
                self._length -= _length(key, self._kept.pop(key))
            self._kept[key] = template
            self._length += _length(key, template)
            while self._length > self._longest:
                self._length -= _length(*self._kept.popitem(last=False))


def _length(key: tuple[str, bool], template: Template) -> int:
    return len(key[0]) + sum(map(len, template.snippets.values()))


_cache = _Cache(longest=1_000_000)
