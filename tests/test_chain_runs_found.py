"""Those on their way are found by what their rows, and the people these are about, are called."""

import pytest
from django.urls import reverse

from automation.chains.admin import run_filters
from automation.chains.models import ChainRun
from automation.rules.counting import TooSlow
from tests import shop
from tests.sequences import reminders
from tests.test_chain_runs_pages import LIST, listed, start, told

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite_only]


def test_runs_are_found_by_name(admin_client):
    of = reminders()
    ann = shop.customer(first_name="Ann", last_name="Kim")
    first, second = (start(of, shop.cart(ann)) for _number in range(2))
    bob = start(
        of, shop.cart(shop.customer(first_name="Bob", last_name="Kim", email="bob@example.com"))
    )
    shop.cart(ann)  # on no chain
    assert listed(admin_client, q="ann kim") == [first.pk, second.pk]
    assert listed(admin_client, q="Kim") == [first.pk, second.pk, bob.pk]
    assert listed(admin_client, q="Kim Bobby") == []
    assert listed(admin_client, q="% kim") == []
    ChainRun.objects.filter(pk=bob.pk).update(row_model="demo.order")
    assert listed(admin_client, q="bob") == []


def test_a_name_that_takes_too_long_is_told(admin_client, monkeypatch):
    start(reminders(), shop.cart(shop.customer(first_name="Ann")))

    def stop(alias):
        raise TooSlow

    monkeypatch.setattr(run_filters, "in_time", stop)
    response = admin_client.get(reverse(LIST), {"q": "ann"})
    assert told(response) == [
        "There are too many rows to look for a name. Search by number or by address."
    ]
    assert list(response.context["cl"].result_list) == []
