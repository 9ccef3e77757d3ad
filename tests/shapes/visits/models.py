"""Rows that are kept in another database than everything else."""

from django.db import models


class Visit(models.Model):
    page = models.CharField(max_length=100)
    email = models.EmailField()

    def __str__(self) -> str:
        return self.page
