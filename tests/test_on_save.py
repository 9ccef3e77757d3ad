"""At once when a row is saved: after the commit, in the cluster, for exactly that row."""

import pytest
from django.core.management import call_command
from django.db import transaction
from django.db.models.signals import post_save
from django.test.utils import isolate_apps
from django.utils import timezone
from django_q.models import OrmQ

from automation.demo.models import Cart
from automation.events.models import EventRecord
from generators import running
from generators.tasks import row_saved, run_row
from tests import shop
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db


def rung() -> list[tuple[object, ...]]:
    return [task.task["args"] for task in OrmQ.objects.order_by("pk")]


@pytest.mark.slow
def test_the_cluster_makes_the_event_of_the_saved_row_and_of_no_other(cluster):
    now = timezone.now()
    generator = shop.generator(trigger="never", on_save=True, armed=False)
    shop.cart(now=now)  # it matches, too
    generator.arm(now)
    type(generator).objects.update(next_run_at=None)
    saved = shop.cart(now=now)
    wait_until(EventRecord.objects.exists, 30, "The event of the saved row")
    assert EventRecord.objects.get().row_pk == str(saved.pk)


@pytest.mark.django_db(transaction=True)
def test_what_is_rolled_back_rings_for_nobody():
    generator = shop.generator(trigger="never", on_save=True)
    owner = shop.customer()
    with transaction.atomic():
        Cart.objects.create(customer=owner)
        assert rung() == []
        transaction.set_rollback(True)
    assert rung() == []
    with transaction.atomic():
        kept = Cart.objects.create(customer=owner)
    assert rung() == [(generator.pk, str(kept.pk))]


def test_what_is_changed_in_bulk_is_found_by_the_schedule(django_capture_on_commit_callbacks):
    generator, owner = shop.generator(on_save=True), shop.customer()
    with django_capture_on_commit_callbacks(execute=True):
        old = shop.NOW - 3 * shop.datetime.timedelta(days=1)
        Cart.objects.bulk_create([Cart(customer=owner, updated_at=old)])
        Cart.objects.update(total=7)
    assert rung() == []
    assert running.run(generator, shop.NOW).new == 1


def test_a_row_that_is_gone_when_its_turn_comes_makes_nothing():
    generator = shop.generator(on_save=True)
    run_row(generator.pk, "999999")
    assert not EventRecord.objects.exists()
    assert not generator.runs.exists()


def test_a_generator_that_is_paused_when_the_turn_comes_makes_nothing():
    cart, generator = shop.cart(), shop.generator(on_save=True)
    generator.pause()
    run_row(generator.pk, str(cart.pk))
    assert not EventRecord.objects.exists()


def test_loading_fixtures_rings_for_nobody(tmp_path, django_capture_on_commit_callbacks):
    shop.generator(on_save=True)
    cart = shop.cart()
    file = tmp_path / "carts.json"
    call_command("dumpdata", "demo.cart", output=str(file), verbosity=0)
    with django_capture_on_commit_callbacks(execute=True):
        call_command("loaddata", str(file), verbosity=0)
    assert rung() == []
    assert Cart.objects.get() == cart


@isolate_apps("automation.demo")
def test_a_row_that_is_saved_through_a_proxy_of_its_model_is_the_row(
    django_capture_on_commit_callbacks,
):
    class OpenCart(Cart):
        class Meta:
            proxy = True
            app_label = "demo"

    generator, owner = shop.generator(on_save=True), shop.customer()
    with django_capture_on_commit_callbacks(execute=True):
        saved = OpenCart.objects.create(customer=owner)
    assert rung() == [(generator.pk, str(saved.pk))]


@isolate_apps("automation.demo")
def test_a_row_of_a_child_is_one_of_its_parent(django_capture_on_commit_callbacks):
    class GiftCart(Cart):
        class Meta:
            app_label = "demo"

    generator, cart = shop.generator(on_save=True), shop.cart()
    gift = GiftCart(
        cart_ptr=cart, **{f.attname: getattr(cart, f.attname) for f in cart._meta.fields}
    )
    with django_capture_on_commit_callbacks(execute=True):
        post_save.send(GiftCart, instance=gift, using="default")
    assert rung() == [(generator.pk, str(cart.pk))]


def test_a_row_that_is_saved_to_another_database_is_none_of_ours(
    django_capture_on_commit_callbacks,
):
    shop.generator(on_save=True)
    cart = shop.cart()
    with django_capture_on_commit_callbacks(execute=True):
        row_saved(sender=Cart, instance=cart, using="archive")
    assert rung() == []
