"""Languages as people call them."""

from django.conf import settings
from django.utils.translation import get_language_info


def languages() -> list[tuple[str, str]]:
    """The languages of this site, and those that mails are often written in."""
    codes = dict.fromkeys(
        [*(code for code, _name in settings.LANGUAGES), "en", "de", "fr", "it", "es", "pt", "nl"]
    )
    return [(code, get_language_info(code)["name_translated"]) for code in codes]


def language_name(code: str) -> str:
    """The language's name in the language of whoever reads."""
    try:
        return str(get_language_info(code)["name_translated"])
    except KeyError:
        return code
