from django.contrib.admin.apps import AdminConfig as DjangoAdminConfig


class AdminConfig(DjangoAdminConfig):
    """Django's admin with the product's site in place of the default one."""

    default_site = "automation.site.Site"
