"""The addresses of a project that has forgotten ``automation.endpoints``."""

from django.contrib import admin
from django.urls import path

urlpatterns = [path("admin/", admin.site.urls)]
