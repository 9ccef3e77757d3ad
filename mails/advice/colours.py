"""Colours that are hard to see: on white, or where people have chosen dark colours."""

from typing import Any

import tinycss2.color3
from django.utils.translation import gettext as _

#: The built-in layout's pages (``mails/layout.py``), as red, green and blue from 0 to 1.
LIGHT, DARK = (1.0, 1.0, 1.0), (0x20 / 255, 0x23 / 255, 0x27 / 255)
#: Below this ratio (WCAG 2) letters are hardly to be told from what is behind them.
LEAST_CONTRAST = 2.0

Colour = tuple[float, float, float]


def hard_to_see(element: Any) -> str:
    """What to tell of an element whose own colour nobody sees, with a place for its text."""
    colour = _colour(element)
    if colour is None or not (element.text_content().strip()) or _has_background(element):
        return ""
    if contrast(colour, LIGHT) < LEAST_CONTRAST:
        return _("The colour of “%s” is hardly visible on white.")
    if contrast(colour, DARK) < LEAST_CONTRAST:
        return _("The colour of “%s” is hardly visible for people who have chosen dark colours.")
    return ""


def contrast(one: Colour, other: Colour) -> float:
    """From 1 for the same brightness to 21 for black on white."""
    darker, brighter = sorted((_brightness(one), _brightness(other)))
    return (brighter + 0.05) / (darker + 0.05)


def _brightness(colour: Colour) -> float:
    linear = [
        part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in colour
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _colour(element: Any) -> Colour | None:
    written = _style(element, "color") or (element.get("color") if element.tag == "font" else "")
    if not written:
        return None
    colour = tinycss2.color3.parse_color(written)
    # "currentColor" is a text.
    if colour is None or isinstance(colour, str) or colour.alpha < 0.5:
        return None
    return (colour.red, colour.green, colour.blue)


def _has_background(element: Any) -> bool:
    while element is not None:
        classes = (element.get("class") or "").split()
        if element.get("bgcolor") or "button" in classes or "box" in classes:
            return True
        if _style(element, "background-color") or _style(element, "background"):
            return True
        element = element.getparent()
    return False


def _style(element: Any, name: str) -> str:
    style = element.get("style") or ""
    if name not in style:
        return ""
    for declaration in style.split(";"):
        found, _colon, value = declaration.partition(":")
        if found.strip().lower() == name:
            return str(value.replace("!important", "").strip())
    return ""
