from django.apps import AppConfig
from django.db.models.signals import post_migrate
from django.utils.module_loading import autodiscover_modules
from django.utils.translation import gettext_lazy as _


class EventsConfig(AppConfig):
    name = "automation.events"
    label = "automation_events"
    verbose_name = _("Events")

    def ready(self) -> None:
        from automation.events import (
            backlog,
            checks,  # noqa: F401
            cluster_checks,  # noqa: F401
            cluster_health,
            database_health,
            metrics,
            pruning_health,
            pulse,
        )
        from automation.events.chores import register_chores
        from automation.events.erasing import register_traces
        from automation.events.heartbeat import beat_with_tick
        from automation.events.pruning import ring_for_pruning
        from automation.events.schedule import ensure_tick, tick_signal
        from automation.events.tasks import ring_for_deliveries
        from automation.events.webhooks import checks as webhook_checks  # noqa: F401
        from automation.events.webhooks.defined import register_kinds

        register_chores()
        register_traces()
        register_kinds()
        tick_signal.connect(ring_for_deliveries, dispatch_uid="automation_events.deliveries")
        tick_signal.connect(ring_for_pruning, dispatch_uid="automation_events.pruning")
        tick_signal.connect(beat_with_tick, dispatch_uid="automation_events.heartbeat")
        post_migrate.connect(ensure_tick, sender=self)
        for part in (database_health, cluster_health, backlog, metrics, pruning_health):
            part.register()
        pulse.connect()
        autodiscover_modules("listeners")
