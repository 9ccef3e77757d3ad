"""From a mail's templates and an event's data to what is sent: one path for all.

Preview, test mail and delivery render through ``CompiledMail.render``; what is previewed is
what is sent.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _

from automation.rules.templating import Template, TemplateError, parse, plain_data
from mails.html import HtmlError, cleaned, document, styled
from mails.text import plain_text

__all__ = ["CompiledMail", "RenderedMail", "compile_mail"]

#: The longest subject; what is longer ends with an ellipsis.
MAX_SUBJECT = 255

# White space, and everything that ends a line or a header somewhere.
_NOT_IN_A_HEADER = re.compile(r"[\s\x00-\x1f\x7f-\x9f\u2028\u2029]+")


@dataclass(frozen=True)
class RenderedMail:
    subject: str
    html: str
    text: str


@dataclass(frozen=True)
class CompiledMail:
    """A mail's templates, parsed. ``compile_mail`` makes it."""

    subject: Template
    body: Template
    language: str

    def render(self, data: Mapping[str, Any]) -> RenderedMail:
        """The mail for ``data``. Raises ``TemplateError``, which says whether subject or body
        is at fault."""
        data = plain_data(data)
        subject = self._subject(data)
        try:
            content = cleaned(self.body.render(data))
            html = document(
                subject,
                styled(content),
                language=self.language,
                right_to_left=_is_right_to_left(self.language),
            )
            return RenderedMail(subject, html, plain_text(content))
        except HtmlError as error:
            raise _in_body(TemplateError(str(error))) from None
        except TemplateError as error:
            raise _in_body(error) from None
        except Exception as error:
            reason = _("No mail can be made of its HTML: %s") % str(error)[:200]
            raise _in_body(TemplateError(reason)) from error

    def _subject(self, data: Mapping[str, Any]) -> str:
        try:
            subject = one_line(self.subject.render(data))
            if not subject:
                raise TemplateError(_("It is empty."))
        except TemplateError as error:
            raise _in_subject(error) from None
        return subject


def compile_mail(*, subject: str, body: str, language: str = "en") -> CompiledMail:
    """The mail ready to be rendered. Its templates are cached by their source. Raises
    ``TemplateError``, which says whether subject or body is at fault."""
    try:
        parsed_subject = parse(subject)
    except TemplateError as error:
        raise _in_subject(error) from None
    try:
        return CompiledMail(parsed_subject, parse(body, html=True), language)
    except TemplateError as error:
        raise _in_body(error) from None


def one_line(subject: str) -> str:
    """``subject`` as a header can hold it: one line, no control characters, not too long."""
    folded = _NOT_IN_A_HEADER.sub(" ", subject).strip()
    return folded if len(folded) <= MAX_SUBJECT else f"{folded[: MAX_SUBJECT - 1].rstrip()}…"


def _is_right_to_left(language: str) -> bool:
    return language.partition("-")[0] in settings.LANGUAGES_BIDI


def _in_subject(error: TemplateError) -> TemplateError:
    return _in(_("Subject: %s") % error, error)


def _in_body(error: TemplateError) -> TemplateError:
    return _in(_("Body: %s") % error, error)


def _in(message: str, error: TemplateError) -> TemplateError:
    return TemplateError(message, error.line, error.column, error.reason)
