"""What Flint does while the project's own rows are read from a copy that is behind:
``python -m tests.shapes.behind`` prints it as one line of JSON."""

import datetime
import json
import sys
from typing import Any

import django

if __name__ == "__main__":
    django.setup()

from django.core import mail as post
from django.db import connections
from django.test.utils import setup_test_environment
from django.utils import timezone

from automation.chains.models import Chain, ChainRun, Entry, Goal, Transition
from automation.events import event, record
from automation.events.models import EventRecord
from automation.rules.keys import key_text
from generators.timing import Repeat
from mails.models import Message
from tests.shapes.library.models import Loan, Reader
from tests.shapes.play import ask, command, generator, mail

NOW = timezone.now()


def put(using: str, **late: bool) -> None:
    """One reader, with a loan of each title that is late or not, in the database ``using``."""
    ann = Reader(email="ann@example.com")
    ann.save(using=using)
    for title, is_late in late.items():
        Loan(reader=ann, title=title, is_late=is_late, due_at=NOW).save(using=using)


def chain() -> Chain:
    """Of late loans; over when they are not any more."""
    made = Chain.objects.create(name="Late", slug="late", source="library.loan", states=["TOLD"])
    Transition.objects.create(
        chain=made, name="Tell", from_states=["NEW"], to_state="TOLD", wait_number=1,
        wait_unit="days", group_template="told",
    )  # fmt: skip
    ask(Entry.objects.create(chain=made), "is_late", "field.yes")
    ask(Goal.objects.create(chain=made), "is_late", "field.no")
    made = Chain.objects.get(pk=made.pk)
    made.arm(NOW)
    return made


def runs() -> list[list[str]]:
    titles = {key_text(loan.pk): loan.title for loan in Loan.objects.using("business")}
    return sorted([titles[run.row_pk], run.state, run.outcome] for run in ChainRun.objects.all())


def advance(days: int) -> list[list[str]]:
    command("advance_chains", at=(NOW + datetime.timedelta(days=days)).isoformat())
    return runs()


def play() -> dict[str, Any]:
    setup_test_environment()
    told: dict[str, Any] = {}
    for alias in connections:
        command("migrate", database=alias, verbosity=0)
    told["checks"] = command("check", databases=list(connections))
    put("business", new=True, returned=False)
    put("copy", returned=True, old=True)
    told["read by the project"] = sorted(Loan.objects.values_list("title", flat=True))
    mail("Loan", "late", "<p>{{ loan.title }}</p>")
    generator("late", "library.loan", "is_late", Repeat.ANEW)
    told["ran"] = command("run_generators").splitlines()[1].split()
    told["ran again"] = command("run_generators").splitlines()[1].split()
    loan = Loan.objects.using("business").get(title="new")
    told["recorded"] = [record([event("returned", loan)]).new for _time in range(2)]
    told["claimed"] = len(Message.objects.claim(timezone.now()))
    told["claimed again"] = len(Message.objects.claim(timezone.now()))
    Message.objects.update(state="queued", token=None, lease_until=None)
    command("deliver")
    told["mails"] = [[each.to[0], str(each.body).strip()] for each in post.outbox]
    chain()
    told["in the chain"] = advance(0)
    told["a day later"] = advance(2)
    told["told"] = EventRecord.objects.filter(group="told").count()
    Loan.objects.using("business").update(is_late=False)
    told["returned"] = advance(3)
    return told


if __name__ == "__main__":
    json.dump(play(), sys.stdout)
