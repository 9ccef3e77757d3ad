"""Customers, and a model source of them."""

import itertools
from collections.abc import Iterator
from typing import Any

from automation.demo.models import Customer
from automation.events import Event, event
from automation.events.models import EventRecord

_numbers = itertools.count()


def of_customer(customer: Customer) -> Iterator[Event]:
    yield event("known", customer, {"name": customer.first_name})
    if customer.newsletter:
        yield event("newsletter", customer)


def people(*names: str, **values: Any) -> list[Customer]:
    made = [
        Customer(email=f"{name}{next(_numbers)}@example.com", first_name=name, **values)
        for name in names
    ]
    return Customer.objects.bulk_create(made)


def many(count: int) -> list[Customer]:
    return people(*(f"n{number}" for number in range(count)))


def recorded(group: str = "known") -> list[str]:
    """Names, in their order: events are written in the order of their keys, where "known:10"
    comes before "known:9"."""
    found = EventRecord.objects.filter(group=group)
    return sorted(record.context.get("name", "") for record in found)
