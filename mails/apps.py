from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class MailsConfig(AppConfig):
    name = "mails"
    verbose_name = _("Mails")

    def ready(self) -> None:
        from automation.events.schedule import tick_signal
        from mails import (
            checks,  # noqa: F401  (registers the system checks)
            health,
            housekeeping,
            metrics,
            notices,
        )
        from mails.defined import register_kinds
        from mails.tasks import ring_for_proofs

        register_kinds()
        notices.listen()
        housekeeping.register()
        health.register()
        metrics.register()
        tick_signal.connect(ring_for_proofs, dispatch_uid="mails.ring_for_proofs")
