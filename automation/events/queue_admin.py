"""The pages of the queue, for superusers only.

What stands in the queue are names of functions with their arguments: whoever may write there
can let the cluster call anything. So no permission opens these pages.
"""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django_q import admin as queue_pages


class SuperusersOnly(admin.ModelAdmin):
    """Whatever permissions somebody has."""

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self._is_superuser(request) and super().has_module_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._is_superuser(request) and super().has_view_permission(request, obj)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self._is_superuser(request) and super().has_add_permission(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._is_superuser(request) and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._is_superuser(request) and super().has_delete_permission(request, obj)

    def _is_superuser(self, request: HttpRequest) -> bool:
        return bool(request.user.is_active and request.user.is_superuser)


def close() -> None:
    """Put what django-q2 has registered behind ``SuperusersOnly``."""
    for model, page in list(admin.site._registry.items()):
        kind: Any = type(page)
        if kind.__module__ == queue_pages.__name__:
            admin.site.unregister(model)
            admin.site.register(model, type(kind.__name__, (SuperusersOnly, kind), {}))


close()
