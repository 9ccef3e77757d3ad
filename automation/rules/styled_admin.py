"""The product's looks on its own pages, and on no others of the admin."""

from django.contrib import admin


class StyledAdmin(admin.ModelAdmin):
    """An admin whose pages bring the product's style sheet along: projects have a
    ``base_site.html`` of their own. Pages that are not a ``ModelAdmin``'s extend
    ``admin/automation_rules/page.html``."""

    class Media:
        css = {"all": ["automation/admin.css"]}
