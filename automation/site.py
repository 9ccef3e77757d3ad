"""The admin site: its apps stand in the order in which data flows through them."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

ORDER = ["automation_rules", "generators", "automation_chains", "automation_events", "mails"]


class Site(admin.AdminSite):
    site_title = _("Flint")
    site_header = _("Flint")
    index_title = _("Who, when and what")
    site_url = None

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[Any]:
        apps: list[Any] = super().get_app_list(request, app_label)
        position = {label: index for index, label in enumerate(ORDER)}
        return sorted(apps, key=lambda app: position.get(app["app_label"], len(ORDER)))
