from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class MailsConfig(AppConfig):
    name = "mails"
    verbose_name = _("Mails")

    def ready(self) -> None:
        from mails import checks  # noqa: F401  (registers the system checks)
        from mails.defined import register_kinds

        register_kinds()
