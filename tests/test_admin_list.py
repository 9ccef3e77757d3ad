"""What the list of generators shows and does."""

import json
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse
from django.utils import timezone

from automation.rules import definitions
from generators import running
from generators.models import Generator
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


def test_several_are_paused_at_once(admin_client: Any):
    armed, draft = shop.generator(), shop.generator(armed=False)
    assert "1 is paused." in do(admin_client, "pause", armed, draft).content.decode()
    states = Generator.objects.order_by("pk").values_list("state", flat=True)
    assert list(states) == ["paused", "draft"]


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
    assert list(Generator.objects.values_list("state", flat=True)) == ["armed"]
    assert json.loads(do(client, "export", generator).content)["version"] == 1
