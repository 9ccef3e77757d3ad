from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _

from automation.rules import installing


class MailsConfig(AppConfig):
    name = "mails"
    default_auto_field = "django.db.models.BigAutoField"
    verbose_name = _("Mails")

    def import_models(self) -> None:
        installing.make_sure(self, ("automation.rules", "automation.events"))
        super().import_models()

    def ready(self) -> None:
        from automation.events.schedule import tick_signal
        from automation.rules.sources import take_name
        from mails import (
            checks,  # noqa: F401  (registers the system checks)
            health,
            housekeeping,
            metrics,
            notices,
        )
        from mails.accounts import end_old_stops
        from mails.defined import register_kinds
        from mails.tasks import ring_for_proofs

        take_name("mail", "the mail that is written")
        register_kinds()
        notices.listen()
        housekeeping.register()
        health.register()
        metrics.register()
        tick_signal.connect(end_old_stops, dispatch_uid="mails.end_old_stops")
        tick_signal.connect(ring_for_proofs, dispatch_uid="mails.ring_for_proofs")
        installing.register(self, needs=("ckeditor",))
