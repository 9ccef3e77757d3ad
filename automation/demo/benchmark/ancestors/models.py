# mypy: ignore-errors
"""The benchmark's rows, as these packages want to see them: a person is a user."""

from typing import ClassVar

from django.db import models


class Customer(models.Model):
    email = models.EmailField(unique=True)
    created_at = models.DateTimeField()

    USERNAME_FIELD: ClassVar[str] = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []
    is_anonymous = False
    is_authenticated = True
    # django-drip-campaigns makes a link to unsubscribe from what a user has.
    password = ""
    last_login = None

    class Meta:
        app_label = "ancestors"
        managed = False
        db_table = "demo_customer"

    def __str__(self) -> str:
        return self.email

    @classmethod
    def get_email_field_name(cls) -> str:
        return "email"


class Order(models.Model):
    customer = models.ForeignKey(Customer, models.CASCADE, related_name="orders")

    class Meta:
        app_label = "ancestors"
        managed = False
        db_table = "demo_order"

    def __str__(self) -> str:
        return str(self.pk)
