"""What recipients of mails can open, without an account: ``path("mails/", include("mails.urls"))``.

Only for sites whose mails link to it (``AUTOMATION["SITE_URL"]``)."""

from django.urls import re_path

from mails.embedding import FILE_NAME
from mails.pages import pictures

app_name = "mails"

urlpatterns = [
    re_path(rf"^pictures/(?P<file_name>{FILE_NAME})$", pictures.public, name="picture"),
]
