from django.apps import AppConfig
from django.db.models.signals import post_save
from django.utils.module_loading import autodiscover_modules
from django.utils.translation import gettext_lazy as _


class ChainsConfig(AppConfig):
    name = "automation.chains"
    label = "automation_chains"
    default_auto_field = "django.db.models.BigAutoField"
    verbose_name = _("Chains")

    def ready(self) -> None:
        from automation.chains import (  # noqa: F401
            checks,
            health,
            housekeeping,
            metrics,
        )
        from automation.chains.defined import register_kinds
        from automation.chains.overtaken import overtaken
        from automation.chains.producing import producers
        from automation.chains.tasks import ring_for_chains, ring_for_code, row_saved
        from automation.events import wanted
        from automation.events.groups import register_provider
        from automation.events.schedule import tick_signal

        housekeeping.register()
        health.register()
        metrics.register()
        register_kinds()
        register_provider(producers)
        wanted.register(overtaken)
        tick_signal.connect(ring_for_chains, dispatch_uid="automation_chains.due")
        tick_signal.connect(ring_for_code, dispatch_uid="automation_chains.code")
        post_save.connect(row_saved, dispatch_uid="automation_chains.row_saved")
        autodiscover_modules("chains")
