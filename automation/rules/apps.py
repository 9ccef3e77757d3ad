from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules
from django.utils.translation import gettext_lazy as _


class RulesConfig(AppConfig):
    name = "automation.rules"
    label = "automation_rules"
    verbose_name = _("Rules")

    def ready(self) -> None:
        from automation.rules import checks  # noqa: F401  (registers the system checks)

        autodiscover_modules("sources")
