"""The whole way, on real parts: a row becomes an event, the event a mail in a mailbox."""

import re

import pytest
from django.utils import timezone

from automation.events.models import EventRecord
from automation.events.states import State
from automation.events.tasks import tick
from generators.models import Generator, Run
from mails.models import Message
from tests import shop
from tests.processes import Cluster
from tests.smtp import SmtpServer
from tests.waiting import wait_until


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_a_cart_left_for_two_days_becomes_one_mail(
    smtp_server: SmtpServer, cluster: Cluster
) -> None:
    ann = shop.customer(first_name="Ann", email="ann@example.com")
    cart = shop.cart(ann, days_old=3, now=timezone.now())
    generator = shop.generator()
    mail = shop.mail()

    tick()
    wait_until(lambda: Message.objects.filter(state=State.SENT).exists(), 30, "The mail is sent")

    event = EventRecord.objects.get()
    assert (event.group, event.key) == ("cart_left", f"generator:{generator.pk}:{cart.pk}")
    assert event.context["cart"]["total"] == cart.total
    message = Message.objects.get()
    assert (message.event, message.mail, message.recipient) == (event, mail, "ann@example.com")
    assert message.subject == "Ann, your cart waits"

    (received,) = smtp_server.received
    assert received.recipients == ("ann@example.com",)
    assert received.subject == "Ann, your cart waits"
    assert received.message["Message-ID"] == f"<{message.uuid}@localhost>"
    assert received.message.get_content_type() == "multipart/alternative"
    assert re.findall(r"<li[^>]*>(.*?)</li>", received.html) == ["Lamp: 99.90", "Bulb: 30.00"]
    assert "Dear Ann" in received.text
    assert "Lamp: 99.90" in received.text

    for time in range(1, 11):
        Generator.objects.update(next_run_at=timezone.now(), offered_at=None)
        tick()
        run_again = Run.objects.filter(quiet_runs__gte=time)
        wait_until(run_again.exists, 30, f"It has run again {time} times")
        wait_until(Generator.objects.filter(lease_until=None).exists, 30, "The run has ended")
    assert len(smtp_server.received) == 1
    assert Message.objects.count() == EventRecord.objects.count() == 1
    assert Run.objects.get().new == 1
