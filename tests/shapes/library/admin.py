from django.contrib import admin

from tests.shapes.library.models import Loan, Reader, Shelf

admin.site.register([Loan, Reader, Shelf])
