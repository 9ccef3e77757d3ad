"""Money and numbers as readers of a language write them, with the data of Babel (CLDR)."""

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Context, Decimal
from functools import lru_cache

from babel import Locale, UnknownLocaleError
from babel.numbers import (
    NumberPattern,
    get_currency_precision,
    get_currency_symbol,
    get_decimal_symbol,
    get_group_symbol,
    list_currencies,
)
from django.utils.translation import gettext as _

from automation.rules.templating.values import Refused, is_empty, number, text, whole_number

#: The most digits after the point that a template may ask for.
MAX_DIGITS = 10

#: Enough for every number that ``values.number`` lets pass.
_EXACT = Context(prec=150, rounding=ROUND_HALF_UP)
_CURRENCIES = frozenset(list_currencies())
_QUANTA = [Decimal(1).scaleb(-digits) for digits in range(MAX_DIGITS + 1)]

# Languages ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class NumberForm:
    """How a language writes a kind of number: what stands before and after its digits
    (positive, negative), how they are grouped, and with which signs."""

    before: tuple[str, str]
    after: tuple[str, str]
    groups: tuple[int, int]
    separator: str
    point: str

    def write(self, value: int | Decimal, least: int, most: int) -> str:
        """``value``, rounded half up, with that many digits after the point."""
        rounded = Decimal(value).quantize(_QUANTA[most], context=_EXACT)
        whole, _point, fraction = f"{rounded.copy_abs():f}".partition(".")
        if most > least:
            fraction = fraction[:least] + fraction[least:].rstrip("0")
        groups, (size, others) = [], self.groups
        while len(whole) > size:
            groups.append(whole[-size:])
            whole, size = whole[:-size], others
        written = self.separator.join([whole, *reversed(groups)])
        if fraction:
            written += self.point + fraction
        negative = rounded < 0  # -0.004 is not, once it is rounded
        return f"{self.before[negative]}{written}{self.after[negative]}"


class Localisation:
    """A language's ways to write, found once. ``localisation`` finds it by its code."""

    def __init__(self, locale: Locale) -> None:
        self.locale = locale
        self.number = self._form(locale.decimal_formats[None])
        self.percent = self._form(locale.percent_formats[None])
        self._money: dict[str, tuple[NumberForm, int]] = {}

    def money(self, code: str) -> tuple[NumberForm, int]:
        """How amounts in the currency of this code are written, and with how many digits."""
        if code not in self._money:
            currency = known_currency(code)
            symbol = get_currency_symbol(currency, self.locale)
            form = self._form(self.locale.currency_formats["standard"], symbol)
            self._money[code] = form, min(get_currency_precision(currency), MAX_DIGITS)
        return self._money[code]

    def _form(self, pattern: NumberPattern, symbol: str = "") -> NumberForm:
        return NumberForm(
            before=(_before(pattern.prefix[0], symbol), _before(pattern.prefix[1], symbol)),
            after=(_after(pattern.suffix[0], symbol), _after(pattern.suffix[1], symbol)),
            groups=pattern.grouping,
            separator=plain_spaces(get_group_symbol(self.locale)),
            point=get_decimal_symbol(self.locale),
        )


def _before(part: str, symbol: str) -> str:
    """What stands before a number. CLDR wants a space between the digits and a currency that
    ends in a letter ("CHF 5"); Babel does not make it."""
    space = "\xa0" if part.endswith("¤") and _is_wordlike(symbol[-1]) else ""
    return _around(part + space, symbol)


def _after(part: str, symbol: str) -> str:
    space = "\xa0" if part.startswith("¤") and _is_wordlike(symbol[0]) else ""
    return _around(space + part, symbol)


def _around(part: str, symbol: str) -> str:
    return plain_spaces(part.replace("'", "").replace("¤", symbol))


def _is_wordlike(character: str) -> bool:
    return unicodedata.category(character)[0] not in "SZ"


def plain_spaces(written: str) -> str:
    # Fonts of older mail programs have no narrow no-break space; they show a box.
    return written.replace("\u202f", "\xa0")


@lru_cache(maxsize=256)
def localisation(language: str) -> Localisation:
    """The ways of ``language`` ("de", "pt-br", "zh_Hans"), of the language without what is
    not known about its region, or else of English. Any text will do."""
    parts = re.findall(r"[A-Za-z0-9]+", language[:40])
    # Babel takes four letters for a script, and guesses a language that is written in it.
    while parts and len(parts[0]) in (2, 3):
        try:
            return _of_locale(str(Locale.parse("_".join(parts))))
        except (UnknownLocaleError, ValueError):
            parts.pop()
    return _of_locale("en")


@lru_cache(maxsize=256)
def _of_locale(identifier: str) -> Localisation:
    return Localisation(Locale.parse(identifier))


# Numbers ------------------------------------------------------------------------------------


_NOT_SAID = object()


def _money(value: object, currency: object = _NOT_SAID, *, localisation: Localisation) -> str:
    if currency is _NOT_SAID:
        raise Refused(no_currency())
    if is_missing(value):
        return ""
    code = text(currency).strip()
    if not code:
        raise Refused(_("The currency of this amount is empty."))
    form, digits = localisation.money(str(code))
    return form.write(number(value), digits, digits)


def known_currency(code: str) -> str:
    """The currency of this code, in capitals. ``Refused`` if there is none."""
    if len(code) != 3 or code.upper() not in _CURRENCIES:
        raise Refused(
            _("“%s” is not the code of a currency. These have three letters: EUR, CHF, USD.")
            % code[:40]
        )
    return code.upper()


def wrong_currency(code: str) -> str:
    """What is wrong with ``code`` as that of a currency; "" if nothing is."""
    try:
        known_currency(code.strip())
    except Refused as refused:
        return str(refused.message)
    return ""


def no_currency() -> str:
    return _('“money” needs a currency: money: order.currency, or money: "EUR".')


def _number(value: object, digits: object = None, *, localisation: Localisation) -> str:
    if is_missing(value):
        return ""
    return localisation.number.write(number(value), *_digits(digits, most=3))


def _percent(value: object, digits: object = None, *, localisation: Localisation) -> str:
    if is_missing(value):
        return ""
    hundredfold = Decimal(number(value)).scaleb(2, context=_EXACT)
    return localisation.percent.write(hundredfold, *_digits(digits, most=2))


def _digits(asked: object, most: int) -> tuple[int, int]:
    """The least and the most digits after the point: exactly those asked for, or as many as
    there are up to ``most``."""
    if asked is None:
        return 0, most
    digits = whole_number(asked)
    if not 0 <= digits <= MAX_DIGITS:
        raise Refused(_("A number can be shown with 0 to %d digits after the point.") % MAX_DIGITS)
    return digits, digits


def is_missing(value: object) -> bool:
    return value is None or (isinstance(value, str) and is_empty(value))


#: The filters. They get the language as ``localisation``.
NUMBER_FORMS: dict[str, Callable[..., str]] = {
    "money": _money,
    "number": _number,
    "percent": _percent,
}
