"""What generators tell those who wait for their events."""

import datetime
import re
from collections.abc import Iterator

from automation.events.event import Event
from automation.events.groups import Producer, Sample
from automation.events.models import EVENT_SHAPE
from automation.rules.models import BrokenRule
from generators.models import Generator
from generators.running import events


def producers() -> Iterator[Producer]:
    """A producer for each generator whose source exists."""
    for generator in Generator.objects.all():
        try:
            source = generator.source_or_error()
        except BrokenRule:
            continue
        yield Producer(
            label=generator.name,
            group=group_pattern(generator.group_template),
            shape={**source.shape, **EVENT_SHAPE},
            sample=_sampler(generator),
        )


def group_pattern(template: str) -> str:
    """The groups that a template can give: ``*`` where it depends on the row."""
    return re.sub(
        r"\*+", "*", re.sub(r"\{\{.*?\}\}|\{%.*%\}", "*", template, flags=re.DOTALL)
    ).strip()


def _sampler(generator: Generator) -> Sample:
    def sample(now: datetime.datetime, count: int) -> Iterator[Event]:
        rows = generator.rows(now)
        pks = list(rows.order_by("-pk").values_list("pk", flat=True)[:count])
        return events(generator, rows.filter(pk__in=pks), now)

    return sample
