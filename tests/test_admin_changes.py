"""What may not go wrong when rules are changed or deleted in the admin."""

import pytest
from django.urls import reverse

from automation.events.models import EventRecord
from automation.rules.models import Condition, Segment
from generators import running
from generators.models import Generator
from tests import shop
from tests.forms import filled

pytestmark = pytest.mark.django_db


def test_a_generator_is_deleted_with_its_conditions(admin_client):
    generator = shop.generator()
    url = reverse("admin:generators_generator_delete", args=[generator.pk])
    assert "status is Open" in admin_client.get(url).content.decode()
    admin_client.post(url, {"post": "yes"})
    assert (Generator.objects.count(), Condition.objects.count()) == (0, 0)


def test_segments_are_deleted_by_bulk(admin_client):
    segment = Segment.objects.create(name="Open", slug="open", source="demo.cart")
    shop.ask(segment, ("status", "field.one_of", "open"))
    data = {"action": "delete_selected", "_selected_action": [segment.pk], "post": "yes"}
    admin_client.post(reverse("admin:automation_rules_segment_changelist"), data)
    assert (Segment.objects.count(), Condition.objects.count()) == (0, 0)


@pytest.mark.parametrize(
    "address",
    [
        "automation_events/eventrecord/?rule=abc",
        "automation_events/eventrecord/?rule=99999999999999999999999999",
        "automation_events/eventrecord/export/?recorded_at__gte=abc",
        "generators/generator/99999999999999999999999999/change/",
        "generators/generator/99999999999999999999999999/preview/",
        "generators/generator/99999999999999999999999999/arm/",
        "mails/mail/99999999999999999999999999/preview/",
    ],
)
def test_an_address_that_makes_no_sense_is_no_traceback(admin_client, address):
    assert admin_client.get(f"/admin/{address}").status_code in (200, 302, 404)


def test_an_armed_generator_that_means_something_else_waits_to_be_armed_again(admin_client):
    generator = shop.generator()
    url = reverse("admin:generators_generator_change", args=[generator.pk])
    gone = filled(admin_client, url, "generator", **{"conditions-0-DELETE": "on"})
    page = admin_client.post(url, gone, follow=True).content.decode()
    assert "What it means was changed. Arm it again to see whom it reaches." in page
    generator.refresh_from_db()
    assert (generator.state, generator.conditions.count()) == ("paused", 1)

    named = filled(admin_client, url, "generator", name="Another name")
    generator.arm(shop.NOW)
    admin_client.post(url, named)
    generator.refresh_from_db()
    assert (generator.state, generator.name) == ("armed", "Another name")


def test_a_generator_that_lost_its_conditions_means_nobody():
    shop.cart()
    generator = shop.generator()
    generator.conditions.all().delete()
    outcome = running.run(generator, shop.NOW)
    assert outcome is not None
    assert outcome.error == "It has no condition: it would mean every row there is."
    assert (Generator.objects.get().state, EventRecord.objects.count()) == ("paused", 0)


def test_arming_while_no_mail_is_active_says_that_nothing_will_be_sent(admin_client):
    shop.mail(is_active=False)
    generator = shop.generator(armed=False)
    page = admin_client.get(reverse("admin:generators_generator_arm", args=[generator.pk]))
    assert "nothing would be sent for them, not later either" in page.content.decode()


@pytest.mark.parametrize("page", ["change", "preview", "arm"])
def test_a_time_zone_that_is_gone_is_said_on_every_page(admin_client, page):
    generator = shop.generator()
    Generator.objects.update(time_zone="Mars/Base")
    url = reverse(f"admin:generators_generator_{page}", args=[generator.pk])
    answer = admin_client.get(url, follow=True)
    assert "“Mars/Base” is not a time zone" in answer.content.decode()
    assert admin_client.get(reverse("admin:generators_generator_changelist")).status_code == 200


def test_a_rule_whose_time_zone_is_gone_is_paused():
    generator = shop.generator()
    Generator.objects.update(time_zone="Mars/Base")
    generator = Generator.objects.get()
    outcome = running.run(generator, shop.NOW)
    assert outcome is not None
    assert outcome.error.startswith("“Mars/Base” is not a time zone")
    generator.refresh_from_db()
    assert (generator.state, generator.lease_until) == ("paused", None)
