"""Somebody at a site's pages over HTTP, with cookies and without scripts, who finds fields and
buttons by what is written on them.
"""

import http.cookiejar
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

import lxml.html


class Visitor:
    """``at``: where the site is, as ``http://127.0.0.1:8000``. ``page`` is what is open."""

    def __init__(self, at: str) -> None:
        self.at = at
        self.page: Any = None
        jar = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        # Nothing of the machine's proxies: the site is here.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), jar)

    def fetch(self, path: str, data: bytes | None = None) -> str:
        """The text at ``path``; any status but 200, after redirects, is an ``AssertionError``."""
        url = urllib.parse.urljoin(self.at, path)
        request = urllib.request.Request(url, data, {"Referer": url})
        try:
            with self._opener.open(request, timeout=60) as answer:
                self.url = answer.url
                return str(answer.read().decode())
        except urllib.error.HTTPError as error:
            text = error.read().decode(errors="replace")
            raise AssertionError(f"{error.code} at {url}:\n{text[:2000]}") from error

    def open(self, path: str, data: bytes | None = None) -> Any:
        text = self.fetch(path, data)
        self.page = lxml.html.document_fromstring(text, base_url=self.url)
        return self.page

    def says(self) -> str:
        """The text of the page, without line breaks."""
        return _said(self.page.find("body"))

    def follow(self, link: str) -> None:
        """Open what a link leads to."""
        (found,) = {a.get("href") for a in self.page.iter("a") if _said(a) == link}
        self.open(urllib.parse.urljoin(self.url, found))

    def fill(self, label: str, value: str) -> None:
        """Write into the first field with this label; a choice is made by its text, and what is
        ticked by "yes"."""
        field = self._field(label)
        if field.tag == "select":
            (field.value,) = [
                option.get("value")
                for option in field.iter("option")
                if _said(option).lower() == value.lower()
            ]
        elif field.tag == "input" and field.type == "checkbox":
            field.checked = value == "yes"
        else:
            field.value = value

    def press(self, button: str) -> None:
        """Send the form that has this button."""
        for form in self.page.forms:
            for found in [*form.iter("button"), *form.iter("input")]:
                is_button = found.tag == "button" or found.get("type") == "submit"
                if is_button and (_said(found) or found.get("value")) == button:
                    name = found.get("name")
                    pressed = [(name, found.get("value", ""))] if name else []
                    data = urllib.parse.urlencode([*form.form_values(), *pressed]).encode()
                    self.open(urllib.parse.urljoin(self.url, form.get("action") or self.url), data)
                    return
        raise AssertionError(f"No button “{button}” at {self.url}:\n{self.says()}")

    def _field(self, label: str) -> Any:
        for found in self.page.iter("label"):
            if _said(found).rstrip(":").lower() == label.lower() and found.get("for"):
                return self.page.get_element_by_id(found.get("for"))
        known = ", ".join(_said(found) for found in self.page.iter("label"))
        raise AssertionError(f"No field “{label}” at {self.url}, but: {known}")


def _said(element: Any) -> str:
    return " ".join(element.text_content().split())
