"""The demo's chain, generators and mails, loaded as any project would load its own."""

import json
from pathlib import Path

from django.utils import timezone

from automation.chains.models import Chain
from automation.rules import definitions
from generators.models import Generator
from mails.models import Mail

FILE = Path(__file__).with_name("definitions.json")


def load_definitions() -> None:
    """Import and arm the demo's definitions, unless there are generators already: what
    somebody has changed in the demo stays as it is."""
    if Generator.objects.exists():
        return
    definitions.load(json.loads(FILE.read_text(encoding="utf-8")))
    Mail.objects.update(is_active=True)
    now = timezone.now()
    for chain in Chain.objects.all():
        chain.arm(now)
    for generator in Generator.objects.all():
        generator.arm(now)
