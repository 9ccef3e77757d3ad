from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class MailsConfig(AppConfig):
    name = "mails"
    verbose_name = _("Mails")

    def ready(self) -> None:
        from automation.rules import definitions
        from mails import checks  # noqa: F401  (registers the system checks)
        from mails.models import DEFINED_FIELDS, Mail

        definitions.register(
            definitions.DefinedKind("mails", Mail, DEFINED_FIELDS, Mail.deactivate)
        )
