# ruff: noqa: E501 (tables of cases read best with one case on a line)
"""Money, numbers and dates in the language and the time zone of the reader."""

import datetime
import re
from decimal import Decimal
from pathlib import Path

import pytest
from babel import Locale
from babel.numbers import format_currency, format_decimal, format_percent
from django.conf import global_settings
from django.utils import timezone

from automation.rules.templating import check, parse
from tests.templating import UTC, error, render

pytestmark = pytest.mark.sqlite_only

DATA = {
    "total": Decimal("1234567.905"),
    "currency": "CHF",
    "rate": Decimal("0.081"),
    "nothing": None,
    "spaces": " ",
    "at": datetime.datetime(2026, 3, 1, 22, 30, tzinfo=UTC),
    "due": datetime.date(2026, 3, 15),
    "hour": datetime.time(9, 5),
}
LANGUAGES = [code for code, _name in global_settings.LANGUAGES]


@pytest.mark.parametrize(
    ("language", "printed"),
    [
        ("en", "CHF 1,234,567.91 | €1,234,567.91 | ¥1,234,568 | 1,234,567.905 | 8.1%"),
        ("de", "1.234.567,91 CHF | 1.234.567,91 € | 1.234.568 ¥ | 1.234.567,905 | 8,1 %"),
        ("de-ch", "CHF 1’234’567.91 | EUR 1’234’567.91 | ¥ 1’234’568 | 1’234’567.905 | 8.1%"),
        ("fr", "1 234 567,91 CHF | 1 234 567,91 € | 1 234 568 JPY | 1 234 567,905 | 8,1 %"),
        ("hi", "CHF 12,34,567.91 | €12,34,567.91 | JP¥12,34,568 | 12,34,567.905 | 8.1%"),
    ],
)
def test_money_and_numbers_are_written_as_the_reader_does(language: str, printed: str) -> None:
    source = (
        "{{ total | money: currency }} | {{ total | money: 'eur' }} | {{ total | money: 'JPY' }} | "
        "{{ total | number }} | {{ rate | percent }}"
    )
    assert render(source, DATA, language=language).replace("\xa0", " ") == printed


@pytest.mark.parametrize(
    ("language", "printed"),
    [
        (
            "en",
            "Mar 1, 2026 | Sunday, March 1, 2026 | 10:30 PM | March 1, 2026, 10:30 PM | 9:05 AM",
        ),
        ("en-gb", "1 Mar 2026 | Sunday, 1 March 2026 | 22:30 | 1 March 2026, 22:30 | 09:05"),
        ("de", "01.03.2026 | Sonntag, 1. März 2026 | 22:30 | 1. März 2026, 22:30 | 09:05"),
        ("fr", "1 mars 2026 | dimanche 1 mars 2026 | 22:30 | 1 mars 2026, 22:30 | 09:05"),
    ],
)
def test_dates_have_four_styles_in_every_language(language: str, printed: str) -> None:
    source = (
        "{{ at | date }} | {{ at | date: 'full' }} | {{ at | time }} | {{ at | datetime: 'long' }} | "
        "{{ hour | time }}"
    )
    assert render(source, DATA, language=language).replace("\xa0", " ") == printed


@pytest.mark.parametrize(
    ("source", "printed"),
    [
        ("{{ at | date: '%d.%m.%Y %H:%M' }}", "01.03.2026 22:30"),
        ("{{ at | date: '%-d. %B %Y, %A' }}", "1. März 2026, Sonntag"),
        ("{{ at | date: '%a %b %^a' }}", "So. Mär SO."),
        ("{{ due | date: '%x' }} {{ at | time: '%X %p' }} 100{{ due | date: '%%' }}", "15.03.26 22:30 PM 100%"),
        ("{{ due | date: 'd. MMMM yyyy' }}", "15. März 2026"),
        ("{{ at | datetime: \"EEEE, d.M. 'um' H 'Uhr'\" }}", "Sonntag, 1.3. um 22 Uhr"),
        ("{{ due | date: ' LONG ' }}", "15. März 2026"),
        ("{{ '2026-03-01' | date: 'd.M.yy' }} {{ '2026-03-01T22:30:00' | time }}", "1.3.26 22:30"),
        ("{{ hour | time: 'full' }} {{ hour | date: 'HH:mm' }}", "09:05:00 09:05"),
        ("{{ total | number: 1 }} {{ 3 | number: 2 }} {{ 0.5 | number: 0 }} {{ -0.001 | number: 2 }}", "1.234.567,9 3,00 1 0,00"),
        ("{{ 0.12345 | percent }} {{ 0.12345 | percent: 0 }} {{ 1 | percent }}", "12,35\xa0% 12\xa0% 100\xa0%"),
        ("{{ -1234.5 | money: 'EUR' }} {{ '12.50' | money: 'USD' }}", "-1.234,50\xa0€ 12,50\xa0$"),
        ("{{ nothing | money: currency }}{{ nothing | number }}{{ spaces | percent }}{{ nothing | date }}{{ spaces | time }}{{ nothing | datetime }}.", "."),
        ("{{ nothing | money: 'EUR' | default: '–' }}", "–"),
        ("{{ 123456789012345678901234567.5 | number: 10 }}", "123.456.789.012.345.678.901.234.567,5000000000"),
        ("{{ 99999999999999999999999999.125 | percent: 1 }}", "9.999.999.999.999.999.999.999.999.912,5\xa0%"),
    ],
)  # fmt: skip
def test_forms_and_digits_can_be_asked_for(source: str, printed: str) -> None:
    assert render(source, DATA, language="de") == printed


def test_a_month_has_the_case_that_its_place_asks_for() -> None:
    source = "{{ at | date: '%-d %B' }}, {{ at | date: '%B %Y' }}"
    assert render(source, DATA, language="pl") == "1 marca, marzec 2026"


def test_moments_are_told_in_the_current_time_zone() -> None:
    source = (
        "{{ at | date: 'short' }} {{ at | time }} {{ at | datetime: 'short' }} {{ at | date: 'z' }}"
    )
    with timezone.override("Asia/Tokyo"):
        assert render(source, DATA, language="de") == "02.03.26 07:30 02.03.26, 07:30 +0900"


@pytest.mark.parametrize(
    ("language", "month"),
    [
        ("pt-br", "março"), ("de-at", "März"), ("de-xx", "März"), ("DE_ch", "März"), ("fr-FR.UTF-8", "mars"),
        ("zh-hans", "三月"), ("xx", "March"), ("", "March"), ("../../etc/passwd", "March"), ("💥\x00", "March"),
        ("x" * 10_000, "March"), ("-", "March"), ("root", "March"), ("Deutsch", "March"),
    ],
)  # fmt: skip
def test_any_text_is_a_language_and_an_unknown_one_is_english(language: str, month: str) -> None:
    assert render("{{ at | date: '%B' }}", DATA, language=language) == month


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_writes_as_babel_says(language: str) -> None:
    """But for spaces: Babel has none between "CHF" and "5", and narrow ones."""
    try:
        locale = Locale.parse(language, sep="-")
    except Exception:  # those that Babel does not know
        locale = Locale.parse("en")
    for number in (Decimal("-1234567.5"), Decimal("0.25"), Decimal(1000)):
        data = {"n": number}
        for currency in ("CHF", "EUR", "JPY", "KWD"):
            found = render(f"{{{{ n | money: '{currency}' }}}}", data, language=language)
            # Babel rounds half to even.
            exact = number.quantize(Decimal(1), "ROUND_HALF_UP") if currency == "JPY" else number
            assert without_spaces(found) == without_spaces(
                format_currency(exact, currency, locale=locale)
            )
        assert without_spaces(
            render("{{ n | number }}", data, language=language)
        ) == without_spaces(format_decimal(number, locale=locale))
        assert without_spaces(
            render("{{ n | percent: 0 }}", data, language=language)
        ) == without_spaces(format_percent(number, locale=locale))


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_dates_in_every_style(language: str) -> None:
    for style in ("short", "medium", "long", "full"):
        found = render(
            f"{{{{ due | date: '{style}' }}}}|{{{{ at | datetime: '{style}' }}}}|"
            f"{{{{ at | time: '{style}' }}}}|{{{{ at | date: '%a %A %b %B %p %x %X' }}}}",
            DATA,
            language=language,
        )
        assert all(found.split("|"))
        assert "\u202f" not in found


def without_spaces(written: str) -> str:
    return re.sub(r"\s", "", written)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("{{ total | money }}", "“money” needs a currency: money: order.currency, or money: \"EUR\"."),
        ("{{ total | money: 'XYZ' }}", "“XYZ” is not the code of a currency. These have three letters: EUR, CHF, USD."),
        ("{{ total | money: '€' }}", "“€” is not the code of a currency. These have three letters: EUR, CHF, USD."),
        ("{{ due | date: 'DD.MM.YYYY' }}", "“DD.MM.YYYY” is not what you mean: write “dd.MM.yyyy” (d day, M month, y year)."),
        ("{{ due | date: 'dd.mm.yyyy' }}", "“dd.mm.yyyy” is not what you mean: write “dd.MM.yyyy” (d day, M month, y year)."),
        ("{{ at | date: 'd. MMMM um HH:mm' }}", "“um” cannot stand in the form of a date. Put words in quotes: 'um'."),
        ("{{ at | date: 'lang' }}", "“lang” is not a form of a date. Write short, medium, long or full, or a form such as dd.MM.yyyy."),
        ("{{ at | time: '%Q' }}", "“%Q” is not a form of a date. Write short, medium, long or full, or a form such as dd.MM.yyyy."),
        ("{{ at | datetime: '' }}", "“” is not a form of a date. Write short, medium, long or full, or a form such as dd.MM.yyyy."),
        ("{{ at | date: 'ddd' }}", "“ddd” is not a form of a date. Write short, medium, long or full, or a form such as dd.MM.yyyy."),
        ("{{ at | date: \"d 'open\" }}", "“d 'open” is not a form of a date. Write short, medium, long or full, or a form such as dd.MM.yyyy."),
    ],
)  # fmt: skip
def test_a_wrong_currency_or_form_is_told_when_it_is_saved_and_when_it_is_used(
    source: str, reason: str
) -> None:
    shape = dict.fromkeys(DATA)
    assert [problem.message for problem in check(source, shape)] == [reason]
    assert error(source, DATA).reason == reason


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("{{ total | money: spaces }}", "The currency of this amount is empty."),
        ("{{ total | money: nothing }}", "The currency of this amount is empty."),
        ("{{ total | money: total }}", "“1234567.905” is not the code of a currency. These have three letters: EUR, CHF, USD."),
        ("{{ currency | money: 'EUR' }}", "“CHF” is not a number."),
        ("{{ currency | date }}", "“CHF” is not a date."),
        ("{{ total | date }}", "A date is needed here."),
        ("{{ due | time }}", "This is a date without a time. Use the filter “date”."),
        ("{{ due | datetime }}", "This is a date without a time. Use the filter “date”."),
        ("{{ due | date: 'HH:mm' }}", "This is a date without a time. Use the filter “date”."),
        ("{{ hour | date }}", "This is a time without a date. Use the filter “time”."),
        ("{{ hour | datetime }}", "This is a time without a date. Use the filter “time”."),
        ("{{ hour | date: 'd.M.' }}", "This is a time without a date. Use the filter “time”."),
        ("{{ hour | date: '%A' }}", "This is a time without a date. Use the filter “time”."),
        ("{{ hour | time: 'HH:mm z' }}", "A time without a date has no time zone."),
        ("{{ total | number: 11 }}", "A number can be shown with 0 to 10 digits after the point."),
        ("{{ total | percent: -1 }}", "A number can be shown with 0 to 10 digits after the point."),
    ],
)  # fmt: skip
def test_a_value_that_cannot_be_written_so_is_told(source: str, reason: str) -> None:
    assert check(source, dict.fromkeys(DATA)) == []
    assert error(source, DATA).reason == reason


def test_what_is_localised_is_escaped_like_any_value() -> None:
    assert render("{{ due | date: \"'<b>' d\" }}", DATA, html=True) == "&lt;b&gt; 15"
    assert render("{{ total | money: 'EUR' }}", DATA, html=True) == "€1,234,567.91"


def test_one_template_speaks_many_languages() -> None:
    template = parse("{{ at | date: '%B' }}")
    languages = ("de", "en", "fr", "de")
    assert [template.render(DATA, language=language) for language in languages] == [
        "März", "March", "mars", "März",
    ]  # fmt: skip


def test_the_examples_in_the_documents_are_right() -> None:
    text = (Path(__file__).parent.parent / "docs" / "templates.md").read_text()
    examples = re.findall(r"^- `(\{\{[^`]*\}\})`: (.*) – (.*)$", text, re.M)
    moment = datetime.datetime(2026, 3, 1, 22, 30, tzinfo=UTC)
    data = {"order": {"total": Decimal("1299.90"), "currency": "EUR", "created_at": moment}}
    for source, english, german in examples:
        for language, printed in (("en", english), ("de", german)):
            found = render(source, data, language=language)
            assert found.replace("\xa0", " ") == printed
    assert len(examples) > 5
