import json
from typing import Any

from django.core.management.base import BaseCommand

from automation.rules import definitions


class Command(BaseCommand):
    help = "Write all segments, generators and mails as JSON, for import_definitions."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(json.dumps(definitions.dump(), indent=2, ensure_ascii=False))
