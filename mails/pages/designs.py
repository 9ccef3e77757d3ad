"""What a layout looks like, around a mail that has it or around an example."""

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext as _

from automation.rules.templating import TemplateError
from mails import samples
from mails.content import Wording
from mails.mail import templates_of, used_snippets
from mails.models import Layout
from mails.pages.frames import framed
from mails.proofreading import mails_with
from mails.rendering import compile_mail


def frame(model_admin: admin.ModelAdmin, request: HttpRequest, pk: int) -> HttpResponse:
    """The layout as it is saved, for a sandboxed frame."""
    layout = model_admin.get_object(request, str(pk))
    if layout is None:
        raise Http404
    if not model_admin.has_view_permission(request, layout):
        raise PermissionDenied
    return framed(_html(layout), dark=bool(request.GET.get("dark")))


def _html(layout: Layout) -> str:
    try:
        for mail in mails_with(layout):
            for sample in samples.find(mail, timezone.now()).found[:1]:
                return mail.render(sample.event).html
        wording, design = _example(), layout.design()
        snippets = used_snippets(templates_of([wording], design))
        about = {"name": wording.subject, "language": wording.language}
        return compile_mail(wording, design, snippets).render({"mail": about}).html
    except TemplateError as error:
        return format_html("<p>{}</p>", str(error))


def _example() -> Wording:
    """A text for a layout that no mail has yet."""
    return Wording(
        language="en",
        subject=_("An example"),
        body=format_html(
            '<h1>{}</h1><p>{}</p><p><a class="button" href="https://example.com">{}</a></p>',
            _("A headline"),
            _("This is how the text of a mail looks in this layout. No mail has it yet."),
            _("A button"),
        ),
    )
