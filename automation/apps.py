from django.apps import AppConfig
from django.contrib.admin import apps as admin_apps
from django.utils.translation import gettext_lazy as _


class AutomationConfig(AppConfig):
    """Brings the pages, style sheets and translations of all our apps into a project.

    Before ``django.contrib.admin`` in ``INSTALLED_APPS``, the admin's home page also shows the
    state of things; behind it, that page stays as it was.
    """

    default = True
    name = "automation"
    verbose_name = _("Flint")


class AdminConfig(admin_apps.AdminConfig):
    """Django's admin with the product's site in place of the default one."""

    default = False
    default_site = "automation.site.Site"
