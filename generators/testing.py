"""For tests of projects: run generators at a moment, and say why one made no events."""

import datetime
import difflib

from django.core.exceptions import ValidationError
from django.utils import timezone

from automation.events.models import EventRecord
from automation.rules.models import BrokenRule
from generators import running
from generators.models import Generator, State

__all__ = ["run_generators"]

# unittest leaves the frames of such a module out of what it shows of a failure.
__unittest = True


def run_generators(*slugs: str, at: datetime.datetime | None = None) -> list[EventRecord]:
    """Run the generators with these short names as if it were ``at`` (aware; this moment if it
    is not given), whether they are armed or not; without names all that are armed. Returns the
    events that were recorded by that, in their order. Their mails wait in the outbox.

    Raises ``AssertionError`` if there is no such generator, if one cannot be run or has left
    out rows, with what it says itself; the others ran. Raises ``ValueError`` for an ``at``
    without time zone and ``TypeError`` for what is no name.
    """
    __tracebackhide__ = True
    for slug in slugs:
        if not isinstance(slug, str):
            raise TypeError(
                f"run_generators takes short names, one after the other, and {slug!r} is none: "
                'run_generators("cart-left", "cart-old").'
            )
    now = timezone.now() if at is None else at
    if timezone.is_naive(now):
        raise ValueError(f"{now!r} has no time zone: run_generators needs a moment that has one.")
    chosen = _named(slugs) if slugs else _armed()
    last = EventRecord.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    failed = [said for generator in chosen if (said := _run(generator, now))]
    if failed:
        raise AssertionError("\n".join(failed))
    made = EventRecord.objects.filter(pk__gt=last, rule__in=[each.pk for each in chosen])
    return list(made.order_by("pk"))


def _named(slugs: tuple[str, ...]) -> list[Generator]:
    __tracebackhide__ = True
    known = {generator.slug: generator for generator in Generator.objects.all()}
    for slug in slugs:
        if slug not in known:
            if not known:
                raise AssertionError(
                    f"There is no generator with the short name “{slug}”: there are none at all. "
                    "Import them first, or make one."
                )
            near = difflib.get_close_matches(slug, known, 1)
            hint = f"Did you mean “{near[0]}”?" if near else f"There are: {_listed(known)}."
            raise AssertionError(f"There is no generator with the short name “{slug}”. {hint}")
    return [known[slug] for slug in dict.fromkeys(slugs)]


def _armed() -> list[Generator]:
    __tracebackhide__ = True
    found = list(Generator.objects.filter(state=State.ARMED))
    if not found:
        others = Generator.objects.values_list("slug", flat=True)
        if not others:
            raise AssertionError("There are no generators. Import them first, or make one.")
        raise AssertionError(
            f"No generator is armed. Name those to run all the same: {_listed(others)}."
        )
    return found


def _listed(slugs: object) -> str:
    return ", ".join(sorted(slugs))  # type: ignore[call-overload]


def _run(generator: Generator, now: datetime.datetime) -> str:
    """What went wrong, in the generator's own words; empty if nothing did."""
    said = _wrong(generator)
    if not said:
        outcome = running.run(generator, now)
        said = outcome.error if outcome else "It is being run by another worker."
    return f"The generator “{generator.slug}” failed: {said}" if said else ""


def _wrong(generator: Generator) -> str:
    """Why it could not be armed."""
    try:
        generator.source_or_error()
        generator.full_clean()
    except ValidationError as error:
        return " ".join(
            f"{name}: {message}"
            for name, messages in error.message_dict.items()
            for message in messages
        )
    except BrokenRule as error:
        return str(error)
    return ""
