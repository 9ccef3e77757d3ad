"""The page that asks before a generator is armed says who would hear its events: also code."""

from typing import Any

import lxml.html
import pytest
from django.urls import reverse

from automation.events.dispatch import listeners
from tests import shop

pytestmark = pytest.mark.django_db

NOBODY = "Nobody listens to these events yet: they would be recorded, and nothing would be sent."


def tell_the_crm(event: Any) -> None: ...


def arming(client: Any, generator: Any) -> Any:
    answer = client.get(reverse("admin:generators_generator_arm", args=[generator.pk]))
    return lxml.html.fromstring(answer.content.decode())


def texts(page: Any, path: str) -> list[str]:
    return [" ".join(element.text_content().split()) for element in page.xpath(path)]


def where(page: Any) -> list[str]:
    return texts(page, "//ul[@class='audiences']/li")


def warned(page: Any) -> list[str]:
    return texts(page, "//p[@class='errornote']")


def test_nobody_is_said_if_neither_a_mail_nor_code_listens(admin_client):
    shop.cart()
    page = arming(admin_client, shop.generator(armed=False))
    assert where(page) == ["cart_left → Nobody listens to these events yet. Write a mail for them"]
    assert NOBODY in texts(page, "//p[@class='question']")[0]


def test_code_that_listens_is_named_and_not_called_nobody(admin_client):
    shop.cart()
    with listeners.registered("cart_.*", tell_the_crm):
        page = arming(admin_client, shop.generator(armed=False))
    assert where(page) == ["cart_left → code: tests.test_arming_page.tell_the_crm"]
    assert NOBODY not in page.text_content()
    assert warned(page) == []


def test_of_mails_that_are_not_active_it_says_that_only_code_would_be_called(admin_client):
    shop.cart()
    shop.mail(name="Your cart", is_active=False)
    with listeners.registered("cart_.*", tell_the_crm):
        page = arming(admin_client, shop.generator(armed=False))
    assert where(page) == [
        "cart_left → Mail Your cart not active; code: tests.test_arming_page.tell_the_crm"
    ]
    assert warned(page) == [
        "None of them is active: nothing would be sent for these events, not later either. "
        "Activate the mail first. Code would be called: tests.test_arming_page.tell_the_crm."
    ]


def test_each_group_of_the_first_rows_and_the_mails_of_other_rows_are_shown(admin_client):
    shop.cart(shop.customer(country="DE"))
    shop.mail(name="Austrian", group="cart_AT")
    by_country = "cart_{{ cart.customer.country }}"
    page = arming(admin_client, shop.generator(armed=False, group_template=by_country))
    assert where(page) == ["cart_DE → Nobody listens to these events yet. Write a mail for them"]
    assert texts(page, "//p[contains(., 'Other rows')]") == ["Other rows may reach: Mail Austrian"]
    assert NOBODY not in page.text_content()
