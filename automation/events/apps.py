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
            cluster_checks,  # noqa: F401  (registers the system checks)
            cluster_health,
            database_health,
            metrics,
            pulse,
        )
        from automation.events.heartbeat import beat_with_tick
        from automation.events.schedule import ensure_tick, tick_signal
        from automation.events.tasks import ring_for_deliveries

        tick_signal.connect(ring_for_deliveries, dispatch_uid="automation_events.deliveries")
        tick_signal.connect(beat_with_tick, dispatch_uid="automation_events.heartbeat")
        post_migrate.connect(ensure_tick, sender=self)
        for part in (database_health, cluster_health, backlog, metrics):
            part.register()
        pulse.connect()
        autodiscover_modules("listeners")
