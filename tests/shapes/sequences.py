"""Chains in a project unlike ours: about rows with UUIDs and with texts as keys, in a database that
is not the one called "default"."""

import datetime
import io
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from django.core.management import call_command
from django.db import connections
from django.test import Client
from django.urls import reverse

from automation.chains import advancing, entering
from automation.chains.models import Chain, ChainRun, Entry, Goal, StartChain, Transition
from automation.chains.vanishing import move_all, rename_all
from automation.events import Event, record
from automation.events.models import EventRecord
from automation.rules.definitions import read_condition
from automation.rules.keys import key_text
from automation.rules.sources import sources
from tests.shapes.library.models import Loan

NOW = datetime.datetime(2026, 3, 10, 12, tzinfo=datetime.UTC)
DAY = datetime.timedelta(days=1)


def ask(rule: Any, field: str, operator: str) -> None:
    condition = read_condition(sources.get(rule.source), field=field, operator=operator, value="")
    condition.rule = rule
    condition.save()


def chain(slug: str, source: str, field: str) -> Chain:
    """A reminder after a day, the end a week later, unless ``field`` is no longer true."""
    made = Chain.objects.create(name=slug, slug=slug, source=source, states=["REMINDED", "ASKED"])
    ask(Entry.objects.create(chain=made), field, "field.yes")
    ask(Goal.objects.create(chain=made), field, "field.no")
    steps = [("Reminder", "NEW", "REMINDED", 1, f"{slug}-reminder"),
             ("Question", "REMINDED", "ASKED", 3, f"{slug}-{{{{ chain.days }}}}"),
             ("Enough", "ASKED", "DONE", 7, "")]  # fmt: skip
    for position, (name, state, to_state, days, group) in enumerate(steps):
        Transition.objects.create(
            chain=made, name=name, from_states=[state], to_state=to_state, wait_number=days,
            group_template=group, position=position,
        )  # fmt: skip
    return made


def go(now: datetime.datetime) -> list[str]:
    """Everything that happens to chains at ``now``, and the events of that."""
    before = set(EventRecord.objects.values_list("pk", flat=True))
    for each in Chain.objects.filter(state="armed"):
        entering.enter(each, now)
    advancing.work(now)
    new = EventRecord.objects.exclude(pk__in=before).order_by("group", "row_pk")
    return [f"{event.group} {event.row_pk} {event.recipient}" for event in new]


def play(client: Client) -> dict[str, Any]:
    told: dict[str, Any] = {}
    loans, shelves = (
        chain("loans", "library.loan", "is_late"),
        chain("shelves", "library.shelf", "is_full"),
    )
    for each in (loans, shelves):
        arm = reverse("admin:automation_chains_chain_arm", args=[each.pk])
        told[f"{each.slug} can be armed"] = client.get(arm).status_code
        client.post(arm, follow=True)
        Chain.objects.get(pk=each.pk).arm(NOW)
    told["at once"] = go(NOW)
    told["after a day"] = go(NOW + DAY)
    Loan.objects.filter(title="Emma").update(is_late=False)
    told["after four days"] = go(NOW + 4 * DAY)
    told["where they are"] = where_they_are()
    told["all or nothing"] = {
        "moving": undone(shelves, lambda: move_all(shelves, Broken(ASKED="REMINDED"), NOW, "")),
        "renaming": undone(shelves, lambda: rename_all(shelves, Broken(ASKED="WAITED"))),
        "order of steps": undone(shelves, lambda: exchange(client, shelves)),
        "arming": undone(shelves, lambda: arm_what_is_wrong(client, shelves)),
    }
    told["started by an event"] = start_by_an_event(loans)
    return told


def where_they_are() -> list[str]:
    runs = ChainRun.objects.select_related("chain").order_by("chain__slug", "row_pk")
    return [f"{run.chain.slug} {run.row_pk} {run.state} {run.outcome}".strip() for run in runs]


def start_by_an_event(of: Chain) -> list[str]:
    Chain.objects.filter(pk=of.pk).update(reentry="after_done")
    StartChain.objects.create(chain=of, name="Again", slug="again", group="asked", is_active=True)
    emma = Loan.objects.get(title="Emma")
    loan = Event("asked", "asked:1", {}, row_model="library.loan", row_pk=emma.pk.hex)
    record([loan])
    call_command("deliver", stdout=io.StringIO())
    return where_they_are()


def decided(client: Client) -> dict[str, list[Any]]:
    """What people do about runs of rows with each kind of key."""
    loans, shelves = Chain.objects.order_by("slug")
    emma = Loan.objects.get(title="Emma")
    return {
        "emma": by_hand(client, loans, emma.pk, "ASKED"),
        "A/1 ü": by_hand(client, shelves, "A/1 ü", "REMINDED"),
    }


def by_hand(client: Client, of: Chain, row: Any, to_state: str) -> list[Any]:
    """What the pages of runs answer, and where the runs of a row are after each decision: it is
    ended, let in, and moved."""
    Chain.objects.filter(pk=of.pk).update(
        state="armed", states=["REMINDED", "ASKED"], reentry="after_done"
    )
    start = reverse("admin:automation_chains_chainrun_start")
    told: list[Any] = [decide(client, of, row, "end_runs")]
    told.append(answer(client, start, {"chain": of.pk, "row": str(row)}, of, row))
    told.append(decide(client, of, row, "move_runs", to_state=to_state))
    return told


def decide(client: Client, of: Chain, row: Any, name: str, **more: str) -> list[str]:
    run = of.runs.filter(row_pk=key_text(row)).latest("pk")
    page = reverse("admin:automation_chains_chainrun_changelist")
    asked = {"action": name, "_selected_action": [run.pk], **more}
    moment = client.post(page, asked).context["asked_at"]
    return answer(client, page, {**asked, "asked_at": moment, "confirmed": "1"}, of, row)


def answer(client: Client, page: str, data: dict[str, Any], of: Chain, row: Any) -> list[str]:
    """What the page says, and number, state and outcome of the last run of the row."""
    response = client.post(page, data, follow=True)
    said = [str(each) for each in response.context["messages"]]
    run = of.runs.filter(row_pk=key_text(row)).latest("pk")
    return [*said, f"{run.number} {run.state} {run.outcome}".strip()]


# All or nothing ---------------------------------------------------------------------------


class Broken(Mapping[str, str]):
    """Answers that end in the midst: after the first one the process fails."""

    def __init__(self, **answers: str) -> None:
        self.answers = answers

    def __getitem__(self, key: str) -> str:
        return self.answers[key]

    def __len__(self) -> int:
        return len(self.answers)

    def __iter__(self) -> Iterator[str]:
        yield from self.answers
        raise Failed


class Failed(Exception):
    """What happens in the midst."""


def undone(of: Chain, do: Callable[[], Any]) -> bool:
    """Whether nothing has changed after ``do``, which fails in the midst."""
    before = everything(of)
    try:
        do()
    except Failed:
        return everything(of) == before
    return False


def everything(of: Chain) -> Any:
    steps = of.transitions.order_by("pk").values_list("pk", "position")
    return list(steps), list(of.runs.order_by("pk").values())


@contextmanager
def failing_at(words: str, time: int) -> Iterator[None]:
    """The statement with these words fails, when it is sent for so manieth time."""
    sent = 0

    def fail(execute: Any, sql: str, *rest: Any) -> Any:
        nonlocal sent
        sent += words in sql
        if sent == time:
            raise Failed
        return execute(sql, *rest)

    with connections["business"].execute_wrapper(fail):
        yield


def exchange(client: Client, of: Chain) -> None:
    first = of.transitions.in_order()[0]
    with failing_at('UPDATE "automation_chains_transition"', 2):
        client.post(
            reverse("admin:automation_chains_transition_move", args=[first.pk]), {"down": 1}
        )


def arm_what_is_wrong(client: Client, of: Chain) -> None:
    """Somebody says where those go whose state is none; but the chain cannot be armed."""
    Chain.objects.filter(pk=of.pk).update(state="paused", states=["REMINDED"])
    arm = reverse("admin:automation_chains_chain_arm", args=[of.pk])
    page = client.get(arm)
    answers = dict.fromkeys(page.context["form"].fields, "REMINDED")
    client.post(arm, answers, follow=True)
    if Chain.objects.get(pk=of.pk).state != "armed":
        raise Failed
