from django.apps import AppConfig
from django.db.models.signals import post_migrate
from django.utils.module_loading import autodiscover_modules
from django.utils.translation import gettext_lazy as _

from automation.rules import installing


class EventsConfig(AppConfig):
    name = "automation.events"
    label = "automation_events"
    default_auto_field = "django.db.models.BigAutoField"
    verbose_name = _("Events")

    def import_models(self) -> None:
        installing.make_sure(self, ("automation.rules", "django_q"))
        super().import_models()

    def ready(self) -> None:
        from automation.events import checks, class_checks, pacing  # noqa: F401
        from automation.events.cluster import checks as cluster_checks  # noqa: F401
        from automation.events.cluster import health as cluster_health
        from automation.events.cluster import pulse
        from automation.events.cluster.heartbeat import beat_with_tick
        from automation.events.erasing.own_traces import register_traces
        from automation.events.event import OWN
        from automation.events.health import backlog, metrics
        from automation.events.health import checks as health_checks  # noqa: F401
        from automation.events.health import database as database_health
        from automation.events.housekeeping import health as pruning_health
        from automation.events.housekeeping.own_chores import register_chores
        from automation.events.housekeeping.pruning import ring_for_pruning
        from automation.events.schedule import ensure_tick, tick_signal
        from automation.events.tasks import ring_for_deliveries
        from automation.events.webhooks import checks as webhook_checks  # noqa: F401
        from automation.events.webhooks import health as webhook_health
        from automation.events.webhooks.defined import register_kinds
        from automation.rules.sources import take_name

        take_name(OWN, "the event itself")
        register_chores()
        register_traces()
        register_kinds()
        tick_signal.connect(ring_for_deliveries, dispatch_uid="automation_events.deliveries")
        tick_signal.connect(pacing.forget, dispatch_uid="automation_events.pacing")
        tick_signal.connect(ring_for_pruning, dispatch_uid="automation_events.pruning")
        tick_signal.connect(beat_with_tick, dispatch_uid="automation_events.heartbeat")
        post_migrate.connect(ensure_tick, sender=self)
        healths = database_health, cluster_health, backlog, webhook_health, metrics, pruning_health
        for part in healths:
            part.register()
        pulse.connect()
        autodiscover_modules("listeners")
        installing.register(self)
