"""Who may do what with the parts of a mail."""

from typing import Any

from django.contrib.admin.options import InlineModelAdmin
from django.http import HttpRequest


class OfMail(InlineModelAdmin):
    """A part of a mail: whoever may see or change the mail may do so with its parts."""

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("mails.view_mail") or self.has_change_permission(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("mails.change_mail") or request.user.has_perm("mails.add_mail")

    has_add_permission = has_delete_permission = has_change_permission
