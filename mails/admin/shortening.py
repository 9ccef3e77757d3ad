"""A template as a list shows it: short, without what only its writer needs."""

import re

from django.utils.text import Truncator

#: So many characters are shown.
LENGTH = 80

_OTHERWISE = re.compile(r"\{%-?\s*(?:else|elsif|when)\b.*?%\}", re.DOTALL)
_TAG = re.compile(r"\{%.*?%\}", re.DOTALL)
_VALUE = re.compile(r"\{\{-?(.*?)-?\}\}", re.DOTALL)


def shortened(template: str) -> str:
    """``template`` on one line: without its tags, with “/” between what they choose from, and
    with a name for each value."""
    text = _VALUE.sub(_named, _TAG.sub("", _OTHERWISE.sub(" / ", template)))
    return Truncator(" ".join(text.split())).chars(LENGTH)


def _named(value: re.Match[str]) -> str:
    expression = value[1].partition("|")[0].strip()
    name = expression.rpartition(".")[2].strip("\"'[]").replace("_", " ")
    return f"‹{name}›" if name else ""
