from django.apps import AppConfig
from django.db.models.signals import post_save
from django.utils.translation import gettext_lazy as _

from automation.rules import installing


class GeneratorsConfig(AppConfig):
    name = "generators"
    default_auto_field = "django.db.models.BigAutoField"
    verbose_name = _("Generators")

    def import_models(self) -> None:
        installing.make_sure(self, ("automation.rules", "automation.events"))
        super().import_models()

    def ready(self) -> None:
        from automation.events.groups import register_provider
        from automation.events.schedule import tick_signal
        from automation.rules import definitions
        from generators import health, housekeeping, metrics
        from generators.models import DEFINED_FIELDS, Generator
        from generators.producing import producers
        from generators.tasks import offer_due, row_saved

        housekeeping.register()
        tick_signal.connect(offer_due, dispatch_uid="generators.offer_due")
        post_save.connect(row_saved, dispatch_uid="generators.row_saved")
        register_provider(producers)
        health.register()
        metrics.register()
        definitions.register(
            definitions.DefinedKind(
                "generators",
                Generator,
                DEFINED_FIELDS,
                Generator.disarm,
                parts=(definitions.CONDITIONS,),
            )
        )
        installing.register(self)
