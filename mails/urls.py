"""What recipients of mails can open without an account, as part of ``automation.endpoints``: if the
mails of a site link to it (``AUTOMATION["SITE_URL"]``)."""

from django.urls import re_path

from mails.embedding import FILE_NAME
from mails.pages import pictures

app_name = "mails"

urlpatterns = [
    re_path(rf"^pictures/(?P<file_name>{FILE_NAME})$", pictures.public, name="picture"),
]
