"""Who may see a page of a mail."""

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest

from mails.models import Mail


def permitted(model_admin: admin.ModelAdmin, request: HttpRequest, pk: int) -> Mail:
    """The mail, if whoever asks may see it."""
    mail = model_admin.get_object(request, str(pk))
    if mail is None:
        raise Http404
    if not model_admin.has_view_permission(request, mail):
        raise PermissionDenied
    return mail
