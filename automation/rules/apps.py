from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules
from django.utils.translation import gettext_lazy as _

from automation.rules import installing


class RulesConfig(AppConfig):
    name = "automation.rules"
    label = "automation_rules"
    default_auto_field = "django.db.models.BigAutoField"
    verbose_name = _("Rules")

    def import_models(self) -> None:
        django = ("contenttypes", "auth", "admin")
        installing.make_sure(self, [f"django.contrib.{name}" for name in django])
        super().import_models()

    def ready(self) -> None:
        from automation.rules import checks, project_checks  # noqa: F401  (registers them)

        autodiscover_modules("sources")
        installing.register(self, needs=("polymorphic", "import_export"))
