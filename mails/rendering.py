"""From a mail's content and an event's data to what is sent: one path for all.

Preview, test mail and delivery render through ``CompiledMail.render``; what is previewed is
what is sent.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.utils.html import escape
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from markupsafe import Markup

from automation.rules.templating import Template, TemplateError, parse, plain_data
from automation.rules.templating.values import Data
from mails import layout, styles
from mails.content import Design, Wording
from mails.embedding import embedded
from mails.html import HtmlError, cleaned, frame, preheader, styled_parts
from mails.text import plain_text

__all__ = ["CompiledMail", "RenderedMail", "compile_mail"]

#: The longest subject; what is longer ends with an ellipsis.
MAX_SUBJECT = 255

# What part of a mail is at fault.
_SUBJECT = gettext_lazy("Subject: %s")
_PREVIEW = gettext_lazy("Preview line: %s")
_BODY = gettext_lazy("Body: %s")
_HEADER = gettext_lazy("Header of the layout: %s")
_FOOTER = gettext_lazy("Footer of the layout: %s")
_TEXT = gettext_lazy("Plain text: %s")

# White space, and everything that ends a line or a header somewhere.
_NOT_IN_A_HEADER = re.compile(r"[\s\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_BLANK_LINES = re.compile(r"\n{3,}")


@dataclass(frozen=True)
class RenderedMail:
    """What a recipient gets. ``empty``: the variables that had no value, as written in the
    templates. ``pictures``: the file names of those of our own that it shows."""

    subject: str
    html: str
    text: str
    preheader: str = ""
    language: str = ""
    empty: tuple[str, ...] = ()
    pictures: tuple[str, ...] = ()


@dataclass(frozen=True)
class CompiledMail:
    """A mail's templates in one language, parsed. ``compile_mail`` makes it."""

    language: str
    subject: Template
    body: Template
    preheader: Template | None
    text: Template | None
    header: Template | None
    footer: Template | None
    styles: styles.Styles

    def render(self, data: Mapping[str, Any]) -> RenderedMail:
        """The mail for ``data``. Raises ``TemplateError``, which says what part of the mail is
        at fault."""
        filling = _Filling(plain_data(data), self.language)
        subject = filling.line(_SUBJECT, self.subject)
        if not subject:
            raise _in(_SUBJECT, TemplateError(_("It is empty.")))
        preview = filling.line(_PREVIEW, self.preheader)
        content = self._html(filling, _BODY, self.body)
        header = self._html(filling, _HEADER, self.header)
        footer = self._html(filling, _FOOTER, self.footer)
        try:
            parts = {"header": header, "content": content, "footer": footer}
            html = self._frame.filled(
                title=escape(subject),
                preheader=preheader(preview),
                **styled_parts(parts, self.styles.inline),
            )
            if self.text is None:
                text = plain_text("<p></p>".join(parts.values()))
            else:
                written = filling.text(_TEXT, self.text)
                text = _BLANK_LINES.sub("\n\n", written.replace("\r\n", "\n")).strip()
        except TemplateError:
            raise
        except Exception as error:
            reason = _("No mail can be made of its HTML: %s") % str(error)[:200]
            raise _in(_BODY, TemplateError(reason)) from error
        return RenderedMail(
            subject,
            html,
            text,
            preview,
            self.language,
            tuple(dict.fromkeys(filling.empty)),
            tuple(dict.fromkeys(filling.pictures)),
        )

    def _html(self, filling: "_Filling", where: Any, template: Template | None) -> str:
        if template is None:
            return ""
        rendered, pictures = embedded(filling.html(where, template))
        filling.pictures += pictures
        try:
            return cleaned(rendered, self.styles.classes - set(layout.PARTS))
        except HtmlError as error:
            raise _in(where, TemplateError(str(error))) from None
        except Exception as error:
            reason = _("No mail can be made of its HTML: %s") % str(error)[:200]
            raise _in(where, TemplateError(reason)) from error

    @cached_property
    def _frame(self) -> Any:
        return frame(
            self.language,
            header=self.header is not None,
            footer=self.footer is not None,
            styles=self.styles.inline,
            media_styles=self.styles.media,
        )


class _Filling:
    """The templates of one mail being filled with the same data."""

    def __init__(self, data: Any, language: str) -> None:
        self.data = data
        self.language = language
        self.empty: list[str] = []
        self.pictures: list[str] = []

    def html(self, where: Any, template: Template) -> str:
        return self._filled(where, template, self._html_data)

    def text(self, where: Any, template: Template) -> str:
        return self._filled(where, template, self.data)

    @cached_property
    def _html_data(self) -> Any:
        """What an event in code brings is text with lines, and HTML knows none: they end in
        breaks. Escaped, and marked as HTML here, behind all that reads data."""
        event = self.data.get("event")
        brought = event.get("text") if isinstance(event, Mapping) else None
        lines = brought.strip().splitlines() if isinstance(brought, str) else []
        if len(lines) < 2:
            return self.data
        return Data({**self.data, "event": {**event, "text": Markup("<br>").join(lines)}})

    def _filled(self, where: Any, template: Template, data: Any) -> str:
        try:
            rendered = template.render_noting(data, language=self.language)
        except TemplateError as error:
            raise _in(where, error) from None
        self.empty += [empty.name for empty in rendered.empty]
        return rendered.text

    def line(self, where: Any, template: Template | None) -> str:
        return one_line(self.text(where, template)) if template else ""


def compile_mail(
    wording: Wording,
    design: Design | None = None,
    snippets: Mapping[str, str] | None = None,
) -> CompiledMail:
    """The mail in one language, ready to be rendered. Its templates are cached by their source.
    Raises ``TemplateError``, which says what part of the mail is at fault."""
    design, snippets = design or Design(), snippets or {}

    def parsed(where: Any, source: str, *, html: bool) -> Template | None:
        if not source.strip():
            return None
        try:
            return parse(source, html=html, snippets=snippets if html else None)  # they are HTML
        except TemplateError as error:
            raise _in(where, error) from None

    return CompiledMail(
        language=wording.language,
        subject=parsed(_SUBJECT, wording.subject, html=False) or parse(""),
        preheader=parsed(_PREVIEW, wording.preheader, html=False),
        body=parsed(_BODY, wording.body, html=True) or parse("", html=True),
        text=parsed(_TEXT, wording.text, html=False),
        header=parsed(_HEADER, design.header, html=True),
        footer=parsed(_FOOTER, design.footer, html=True),
        styles=styles.read(design.styles),
    )


def one_line(subject: str) -> str:
    """``subject`` as a header can hold it: one line, no control characters, not too long."""
    folded = _NOT_IN_A_HEADER.sub(" ", subject).strip()
    return folded if len(folded) <= MAX_SUBJECT else f"{folded[: MAX_SUBJECT - 1].rstrip()}…"


def _in(where: Any, error: TemplateError) -> TemplateError:
    return TemplateError(
        where % error, error.line, error.column, error.reason, snippet=error.snippet
    )
