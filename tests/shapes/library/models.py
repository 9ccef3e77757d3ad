"""Rows with UUIDs and with texts as primary keys, and relations between them."""

import uuid

from django.db import models


class Reader(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    email = models.EmailField()
    language = models.CharField(max_length=10, blank=True)
    zone = models.CharField(max_length=50, blank=True)

    def __str__(self) -> str:
        return self.email


class Shelf(models.Model):
    code = models.CharField(max_length=40, primary_key=True)
    keeper = models.ForeignKey(Reader, models.CASCADE, related_name="shelves")
    is_full = models.BooleanField(default=False)

    class Meta:
        verbose_name_plural = "shelves"

    def __str__(self) -> str:
        return f"Shelf {self.code}"


class Loan(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    reader = models.ForeignKey(Reader, models.CASCADE, related_name="loans")
    title = models.CharField(max_length=100)
    is_late = models.BooleanField(default=False)
    due_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.title
