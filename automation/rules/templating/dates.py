"""Dates and times as readers of a language write them, with the data of Babel (CLDR).

A form is a style (``"long"``), a form of ``strftime`` (``"%d. %B"``) or a pattern of CLDR
(``"d. MMMM yyyy"``). Times are told in the current time zone
(``django.utils.timezone.override``).
"""

import datetime
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from babel import Locale
from babel.dates import parse_pattern
from django.utils import timezone
from django.utils.translation import gettext as _

from automation.rules.templating.localising import Localisation, is_missing, plain_spaces
from automation.rules.templating.values import Refused, local, text

#: The longest form of a date, in characters.
MAX_FORM = 200

_STYLES = ("short", "medium", "long", "full")
_DIRECTIVE = re.compile(r"%([-_0^]?)(.?)", re.DOTALL)
_DIRECTIVES = frozenset("%aAbBcCdDeFgGhHIjklmMnpPrRStTuUVwWxXyYzZ")
#: The letters of CLDR's date patterns that a template may use. Each other letter is far more
#: often part of a word that should stand between quotes.
_FIELDS = frozenset("yMLdEQwabhHKkmsz")
_QUOTED = re.compile(r"'[^']*'")
_LETTER = re.compile("[A-Za-z]")
_WORD = re.compile("[A-Za-z]+")
_MEANT = str.maketrans("YD", "yd")

# Filters ------------------------------------------------------------------------------------


Moment = datetime.date | datetime.time


def _in_style(default: str, write: Callable[[Moment, str, Locale], str]) -> Callable[..., str]:
    """The filter that uses ``write`` where a style is asked for."""

    def written(
        value: object, form: object = default, *, localisation: Localisation, now: object = None
    ) -> str:
        moment = _moment(value, now)
        if moment is None:
            return ""
        wanted = _form_text(form)
        found = write if wanted in _STYLES else _formed
        return plain_spaces(found(moment, wanted, localisation.locale))

    return written


def _date(moment: Moment, style: str, locale: Locale) -> str:
    if isinstance(moment, datetime.time):
        raise Refused(_no_date())
    return locale.date_formats[style].apply(moment, locale)


def _time(moment: Moment, style: str, locale: Locale) -> str:
    if not isinstance(moment, datetime.datetime | datetime.time):
        raise Refused(_no_time())
    if isinstance(moment, datetime.time) and style in ("long", "full"):
        style = "medium"  # the longer ones name a time zone, and a time alone has none
    return locale.time_formats[style].apply(moment, locale)


def _datetime(moment: Moment, style: str, locale: Locale) -> str:
    if not isinstance(moment, datetime.datetime):
        raise Refused(_no_time() if isinstance(moment, datetime.date) else _no_date())
    # Seconds and time zones, which CLDR's longer forms have, are not for readers of mails.
    glue = str(locale.datetime_formats[style]).replace("'", "")
    time = _time(moment, "short", locale)
    return glue.replace("{0}", time).replace("{1}", _date(moment, style, locale))


#: The filters. They get the language as ``localisation``, and as ``now`` what the data say.
DATE_FORMS = {
    "date": _in_style("medium", _date),
    "time": _in_style("short", _time),
    "datetime": _in_style("medium", _datetime),
}


def _no_date() -> str:
    return _("This is a time without a date. Use the filter “time”.")


def _no_time() -> str:
    return _("This is a date without a time. Use the filter “date”.")


def _moment(value: object, now: object) -> Moment | None:
    """What a filter for dates works on, moments in the current time zone."""
    if is_missing(value):
        return None
    if value in ("now", "today"):
        if not isinstance(now, datetime.datetime):
            raise Refused(_("“%s” is not known here: use a date of the data.") % value)
        value = now
    if isinstance(value, str):
        value = _read_date(value)
    if isinstance(value, datetime.datetime):
        return local(value)
    if not isinstance(value, datetime.date | datetime.time):
        raise Refused(_("A date is needed here."))
    return value


def _read_date(value: str) -> datetime.date:
    try:
        if len(value) <= 10:
            return datetime.date.fromisoformat(value)
        moment = datetime.datetime.fromisoformat(str(value))
    except ValueError:
        raise Refused(_("“%s” is not a date.") % value[:40]) from None
    return moment if moment.tzinfo else timezone.make_aware(moment)


def _form_text(form: object) -> str:
    written = text(form)
    if len(written) > MAX_FORM:
        raise Refused(_("This form of a date is too long."))
    style = written.strip().lower()
    return style if style in _STYLES else str(written)


def _formed(moment: Moment, form: str, locale: Locale) -> str:
    checked_form(form)
    try:
        if "%" in form:
            return _strftime(moment, form, locale)
        if isinstance(moment, datetime.time) and "z" in _QUOTED.sub("", form):
            raise Refused(_("A time without a date has no time zone."))
        return parse_pattern(form).apply(moment, locale)
    except AttributeError:
        without_date = isinstance(moment, datetime.time)
        raise Refused(_no_date() if without_date else _no_time()) from None


# Forms --------------------------------------------------------------------------------------


@lru_cache(maxsize=512)
def checked_form(form: str) -> None:
    """Raises ``Refused`` if ``form`` is neither a style, nor a form with ``%``, nor a pattern
    of CLDR, or if it is one by mistake."""
    if form in _STYLES:
        return
    if "%" in form:
        if any(found[2] not in _DIRECTIVES for found in _DIRECTIVE.finditer(form)):
            raise Refused(_not_a_form(form))
        return
    bare = _QUOTED.sub("", form)
    letters = set(_LETTER.findall(bare))
    unknown = letters - _FIELDS - set("YD")
    if "'" in bare or not letters - unknown or (unknown and bare.isalpha()):
        raise Refused(_not_a_form(form))
    _refuse_mistaken_letters(bare, letters)
    try:
        parse_pattern(form)
    except ValueError:
        raise Refused(_not_a_form(form)) from None


def wrong_form(form: str) -> str:
    """What is wrong with ``form`` as that of a date; "" if nothing is."""
    try:
        checked_form(_form_text(form))
    except Refused as refused:
        return str(refused.message)
    return ""


def _refuse_mistaken_letters(bare: str, letters: set[str]) -> None:
    # In CLDR's patterns these are the year of the week, the day of the year, and minutes.
    right = bare.translate(_MEANT)
    if "m" in letters and not letters & set("hHkK"):
        right = right.replace("m", "M")
    if letters - _FIELDS - set("YD"):
        word = next(found for found in _WORD.findall(bare) if set(found) - _FIELDS)
        raise Refused(
            _("“%(word)s” cannot stand in the form of a date. Put words in quotes: '%(word)s'.")
            % {"word": word}
        )
    if right != bare:
        raise Refused(
            _("“%(form)s” is not what you mean: write “%(right)s” (d day, M month, y year).")
            % {"form": bare, "right": right}
        )


def _not_a_form(form: str) -> str:
    return (
        _(
            "“%s” is not a form of a date. "
            "Write short, medium, long or full, or a form such as dd.MM.yyyy."
        )
        % form
    )


def _strftime(moment: Moment, form: str, locale: Locale) -> str:
    """What ``strftime`` makes of ``form``, with the names and orders of the language."""

    def localised(found: re.Match[str]) -> str:
        flag, letter = found.groups()
        part = _in_language(letter, moment, form, locale)
        if part is None:
            return found.group()
        return part.upper() if flag == "^" else part

    try:
        return moment.strftime(_DIRECTIVE.sub(localised, form))
    except ValueError:
        raise Refused(_not_a_form(form)) from None


def _in_language(letter: str, moment: Any, form: str, locale: Locale) -> str | None:
    """What ``%letter`` is in the language; None if it is a number and the same everywhere."""
    if letter in "Bbh":
        # "1 марта", but "март 2026": a month that follows a day has another case.
        context = "format" if re.search("%[-_0^]?[de]", form) else "stand-alone"
        width = "wide" if letter == "B" else "abbreviated"
        return str(locale.months[context][width][moment.month])
    if letter in "Aa":
        width = "wide" if letter == "A" else "abbreviated"
        return str(locale.days["format"][width][moment.weekday()])
    if letter in "pP":
        half = parse_pattern("a").apply(moment, locale)
        return half if letter == "p" else half.lower()
    if letter == "x":
        return locale.date_formats["short"].apply(moment, locale)
    return locale.time_formats["short"].apply(moment, locale) if letter == "X" else None
