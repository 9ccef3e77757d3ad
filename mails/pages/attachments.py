"""An attachment of a mail, to be saved."""

from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.http import content_disposition_header
from django.utils.translation import gettext as _

from mails import attachments, storage
from mails.models import Mail, Version
from mails.pages.permitted import permitted


def page(model_admin: admin.ModelAdmin, request: HttpRequest, pk: int, digest: str) -> HttpResponse:
    """A file that goes along with a mail, or did in one of its versions, to be saved."""
    mail = permitted(model_admin, request, pk)
    name = _name_of(mail, digest)
    try:
        data = storage.read(f"{storage.ATTACHMENTS}/{digest}") if name else b""
    except (storage.Gone, storage.Unreachable) as error:
        raise Http404(_("This file is gone.")) from error
    if not name:
        raise Http404
    response = HttpResponse(data, content_type=attachments.content_type_of(name))
    response["Content-Disposition"] = content_disposition_header(True, name)
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    return response


def _name_of(mail: Mail, digest: str) -> str:
    now = (each.as_file() for each in mail.attachments.filter(digest=digest))
    before = (
        file
        for version in Version.objects.filter(mail=mail)
        for file in version.content.attachments
    )
    return next((file.name for file in (*now, *before) if file.digest == digest), "")
