from typing import Any

from django.contrib import admin
from django.db import models
from django.http import HttpRequest

from automation.demo.models import Cart, CartItem, Customer, Order, OrderItem, Product
from automation.rules.styled_admin import StyledAdmin


@admin.register(Customer)
class CustomerAdmin(StyledAdmin):
    list_display = ["email", "first_name", "last_name", "country", "birthday", "created_at"]
    list_filter = ["country", "language", "newsletter", "created_at"]
    search_fields = ["email", "first_name", "last_name"]


@admin.register(Product)
class ProductAdmin(StyledAdmin):
    list_display = ["title", "category", "price", "available"]
    list_filter = ["category", "available"]
    search_fields = ["title"]


class ItemInline(admin.TabularInline):
    fields = ["product", "title", "quantity", "price"]
    extra = 0

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        field = super().formfield_for_foreignkey(db_field, request, **kwargs)
        if field is not None and db_field.name == "product":
            # Read once for all lines; by itself each line would read all products again.
            field.choices = list(field.choices)
        return field


class OrderItemInline(ItemInline):
    model = OrderItem


class CartItemInline(ItemInline):
    model = CartItem


@admin.register(Order)
class OrderAdmin(StyledAdmin):
    list_display = ["number", "customer", "status", "total", "currency", "created_at", "shipped_at"]
    list_select_related = ["customer"]
    list_filter = ["status", "currency", "created_at", "shipped_at"]
    search_fields = ["number", "customer__email", "customer__first_name", "customer__last_name"]
    autocomplete_fields = ["customer"]
    formfield_overrides = {models.URLField: {"assume_scheme": "https"}}
    inlines = [OrderItemInline]


@admin.register(Cart)
class CartAdmin(StyledAdmin):
    list_display = ["__str__", "customer", "status", "total", "currency", "updated_at"]
    list_select_related = ["customer"]
    list_filter = ["status", "currency", "updated_at"]
    search_fields = ["customer__email", "customer__first_name", "customer__last_name"]
    autocomplete_fields = ["customer"]
    inlines = [CartItemInline]
