"""Why somebody gets no mail: the same answers for the preview, the proof and the delivery."""

from collections.abc import Container

from django.utils.translation import gettext as _

from automation.events.event import Event
from automation.rules.templating import TemplateError
from mails import addresses
from mails.content import Content
from mails.mail import Mail
from mails.rendering import RenderedMail


def erased(recipient: str, known: Container[str]) -> str:
    """Why nothing may be sent to ``recipient`` any more; empty if it may. ``known`` are those
    who were erased (``automation.events.erasing.erased.Erased`` of a batch)."""
    if not recipient or recipient not in known:
        return ""
    return _("This person was erased: nothing is sent to them.")


def unreachable(mail: Mail, event: Event, recipient: str) -> str:
    """Why a message to ``recipient``, one of ``mail.recipients(event)``, reaches nobody; empty
    if it can."""
    if not recipient and mail.to:
        try:
            mail.filled(mail.to, event)
        except TemplateError as error:
            return _("“To”: %s") % error
    return addresses.error(recipient)


def incomplete(content: Content, rendered: RenderedMail) -> str:
    """Why ``rendered`` must not be sent as it is; empty if it may."""
    if not rendered.empty or content.send_incomplete:
        return ""
    return _("No value for: %s") % ", ".join(rendered.empty)
