"""What the list of generators shows and does."""

import datetime
import json
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django_q.models import OrmQ

from automation.events.models import EventRecord
from automation.rules import definitions
from generators import bulk, running, running_now
from generators.models import Generator
from generators.tasks import run_generator
from tests import shop

pytestmark = pytest.mark.django_db

LIST = reverse("admin:generators_generator_changelist")


def do(client: Any, action: str, *chosen: Generator) -> Any:
    data = {"action": action, "_selected_action": [generator.pk for generator in chosen]}
    return client.post(LIST, data, follow=True)


def test_it_shows_the_events_of_the_last_days(admin_client: Any):
    shop.cart(now=timezone.now())
    running.run(shop.generator(), timezone.now())
    page = admin_client.get(LIST).content.decode()
    assert 'aria-label="1 event"' in page
    assert page.count("<rect") == 30


def listed(client: Any, **parameters: str) -> list[str]:
    response = client.get(LIST, parameters)
    return [generator.slug for generator in response.context["cl"].result_list]


def test_it_can_be_filtered_by_how_the_last_run_ended(admin_client: Any):
    shop.cart(shop.customer(last_name=""))
    bad = shop.generator(slug="bad", group_template="{{ cart.customer.last_name }}")
    good, mended = shop.generator(slug="good"), shop.generator(slug="mended")
    shop.generator(slug="new")
    mended.runs.create(started_at=shop.NOW, state="failed")
    for generator in (bad, good, mended):
        running.run(generator, timezone.now())
    assert listed(admin_client, last_run="failed") == ["bad"]
    assert sorted(listed(admin_client, last_run="done")) == ["good", "mended"]
    assert listed(admin_client, last_run="never") == ["new"]
    assert len(listed(admin_client, last_run="whatever")) == 4


def test_it_says_how_the_last_run_ended_and_when(admin_client: Any):
    shop.generator().runs.create(
        started_at=datetime.datetime(2025, 12, 24, 18, 0, tzinfo=datetime.UTC),
        state="failed",
        error="The shop is <gone>. " + "x" * 500,
    )
    page = admin_client.get(LIST).content.decode()
    assert "failed: The shop is &lt;gone&gt;. xxx" in page
    assert "x" * 300 not in page
    assert "24 Dec 2025, 18:00" in page


def test_it_can_be_sorted_by_the_next_run(admin_client: Any):
    for slug, hours in (("second", 2), ("first", 1)):
        generator = shop.generator(slug=slug)
        generator.next_run_at = timezone.now() + datetime.timedelta(hours=hours)
        generator.save()
    assert listed(admin_client, o="4") == ["first", "second"]
    assert listed(admin_client, o="-4") == ["second", "first"]


def test_it_shows_the_last_of_many_runs(admin_client: Any):
    for _each in range(3):
        generator = shop.generator()
        for day in range(20):
            generator.runs.create(
                started_at=shop.NOW + datetime.timedelta(days=day), state="done", matched=day
            )
    page = admin_client.get(LIST).content.decode()
    assert page.count("19 of 0 match") == 3
    assert "18 of 0 match" not in page


def test_its_page_says_how_often_the_same_went_wrong(admin_client: Any):
    shop.cart(shop.customer(last_name=""))
    generator = shop.generator(group_template="{{ cart.customer.last_name }}")
    page = reverse("admin:generators_generator_change", args=[generator.pk])
    for times, said in ((2, "the same once more ("), (1, "the same 2 more times (last ")):
        for _time in range(times):
            running.run(generator, timezone.now())
        assert said in admin_client.get(page).content.decode()


def told(response: Any) -> list[str]:
    return [str(message) for message in response.context["messages"]]


def test_armed_ones_are_run_at_once_and_the_others_named(admin_client: Any):
    shop.cart(now=timezone.now())
    armed = shop.generator(name="Armed")
    draft = shop.generator(name="Draft", armed=False)
    paused = shop.generator(name="<Paused>")
    paused.pause()
    assert told(do(admin_client, "run", armed, draft, paused)) == [
        "Armed: 1 of 1 match, 1 is new.",
        "Not armed, so not run: <Paused>, Draft.",
    ]
    assert EventRecord.objects.get().rule_id == armed.pk
    assert [(entry.object_id, entry.get_change_message()) for entry in LogEntry.objects.all()] == [
        (str(armed.pk), "run now")
    ]


def test_big_ones_and_all_after_the_first_few_are_run_in_the_background(
    admin_client: Any, monkeypatch: Any
):
    monkeypatch.setattr(running_now, "RUN_HERE", 0)
    monkeypatch.setattr(bulk, "RUN_HERE", 1)
    shop.cart(now=timezone.now())
    big, last = shop.generator(name="A"), shop.generator(name="B")
    assert told(do(admin_client, "run", big, last)) == [
        "A: 1 new events are being made in the background. They appear under “Runs”.",
        "B: It is run in the background.",
    ]
    assert EventRecord.objects.count() == 0
    assert [task.task["args"] for task in OrmQ.objects.order_by("pk")] == [(big.pk,), (last.pk,)]
    for generator in (big, last):
        run_generator(generator.pk)
    assert EventRecord.objects.count() == 2


def test_several_are_paused_at_once(admin_client: Any):
    armed, draft = shop.generator(), shop.generator(armed=False)
    assert "1 is paused." in do(admin_client, "pause", armed, draft).content.decode()
    states = Generator.objects.order_by("pk").values_list("state", flat=True)
    assert list(states) == ["paused", "draft"]


def test_nothing_is_paused_where_none_is_armed(admin_client: Any):
    draft = shop.generator(armed=False)
    assert told(do(admin_client, "pause", draft)) == [
        "None of them is armed, so nothing was paused."
    ]
    assert Generator.objects.get(pk=draft.pk).state == "draft"
    assert not LogEntry.objects.exists()


def test_nothing_is_done_without_the_token_of_the_form(admin_user: Any):
    client = Client(enforce_csrf_checks=True)
    client.force_login(admin_user)
    generator = shop.generator()
    data = {"action": "run", "_selected_action": [generator.pk]}
    assert client.post(LIST, data).status_code == 403
    client.get(LIST, data)
    assert not generator.runs.exists()


def test_a_clone_is_a_draft(admin_client: Any):
    assert (
        "1 copy is there as a draft."
        in do(admin_client, "clone", shop.generator(slug="left")).content.decode()
    )
    assert Generator.objects.get(slug="left-copy").state == "draft"


def test_exactly_the_chosen_ones_are_exported(admin_client: Any):
    chosen, _other = shop.generator(), shop.generator()
    data = json.loads(do(admin_client, "export", chosen).content)
    assert data == definitions.dump(Generator.objects.filter(pk=chosen.pk))


def test_who_may_only_look_can_only_export(client: Any, django_user_model: Any):
    reader = django_user_model.objects.create_user("reader", is_staff=True)
    reader.user_permissions.add(Permission.objects.get(codename="view_generator"))
    client.force_login(reader)
    generator = shop.generator()
    do(client, "pause", generator)
    do(client, "clone", generator)
    do(client, "run", generator)
    assert not generator.runs.exists()
    assert list(Generator.objects.values_list("state", flat=True)) == ["armed"]
    assert json.loads(do(client, "export", generator).content)["version"] == 1
