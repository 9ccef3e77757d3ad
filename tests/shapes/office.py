"""An admin site of the project's own."""

from django.contrib import admin
from django.contrib.admin.apps import AdminConfig


class Office(admin.AdminSite):
    site_header = "The office"


class OfficeConfig(AdminConfig):
    default_site = "tests.shapes.office.Office"
