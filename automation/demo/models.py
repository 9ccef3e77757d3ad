"""A shop's tables, as any Django project may have them: the product changes none of them."""

from decimal import Decimal

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _


class Country(models.TextChoices):
    CH = "CH", _("Switzerland")
    DE = "DE", _("Germany")
    AT = "AT", _("Austria")
    FR = "FR", _("France")
    GB = "GB", _("United Kingdom")
    IE = "IE", _("Ireland")


class Language(models.TextChoices):
    EN = "en", _("English")
    DE = "de", _("German")


class Currency(models.TextChoices):
    CHF = "CHF", _("Swiss franc")
    EUR = "EUR", _("Euro")
    GBP = "GBP", _("Pound sterling")


class Customer(models.Model):
    email = models.EmailField(_("e-mail address"), unique=True)
    first_name = models.CharField(_("first name"), max_length=100, blank=True)
    last_name = models.CharField(_("last name"), max_length=100, blank=True)
    language = models.CharField(
        _("language"), max_length=2, choices=Language.choices, default=Language.EN
    )
    country = models.CharField(
        _("country"), max_length=2, choices=Country.choices, default=Country.CH
    )
    time_zone = models.CharField(_("time zone"), max_length=50, default="Europe/Zurich")
    latitude = models.FloatField(_("latitude"), null=True, blank=True)
    longitude = models.FloatField(_("longitude"), null=True, blank=True)
    birthday = models.DateField(_("birthday"), null=True, blank=True)
    newsletter = models.BooleanField(_("gets the newsletter"), default=False)
    created_at = models.DateTimeField(_("customer since"), default=timezone.now)

    class Meta:
        verbose_name = _("customer")
        verbose_name_plural = _("customers")
        ordering = ["last_name", "first_name", "pk"]

    def __str__(self) -> str:
        return f"{self.first_name} {self.last_name}".strip() or self.email


class Product(models.Model):
    title = models.CharField(_("title"), max_length=200)
    category = models.CharField(_("category"), max_length=100)
    price = models.DecimalField(
        _("price"),
        max_digits=10,
        decimal_places=2,
        help_text=_("The same number in every currency."),
    )
    available = models.BooleanField(_("available"), default=True)

    class Meta:
        verbose_name = _("product")
        verbose_name_plural = _("products")
        ordering = ["title", "pk"]

    def __str__(self) -> str:
        return self.title


class Order(models.Model):
    class Status(models.TextChoices):
        OPEN = "open", _("Open")
        PAID = "paid", _("Paid")
        SHIPPED = "shipped", _("Shipped")
        CANCELLED = "cancelled", _("Cancelled")

    customer = models.ForeignKey(
        Customer, verbose_name=_("customer"), related_name="orders", on_delete=models.CASCADE
    )
    number = models.CharField(_("order number"), max_length=20, unique=True)
    status = models.CharField(
        _("status"), max_length=20, choices=Status.choices, default=Status.OPEN
    )
    total = models.DecimalField(_("total"), max_digits=10, decimal_places=2, default=Decimal(0))
    currency = models.CharField(
        _("currency"), max_length=3, choices=Currency.choices, default=Currency.CHF
    )
    created_at = models.DateTimeField(_("ordered on"), default=timezone.now)
    shipped_at = models.DateTimeField(_("shipped on"), null=True, blank=True)
    tracking_url = models.URLField(_("where the parcel is"), blank=True)

    class Meta:
        verbose_name = _("order")
        verbose_name_plural = _("orders")
        ordering = ["-created_at", "-pk"]

    def __str__(self) -> str:
        return self.number


class Cart(models.Model):
    class Status(models.TextChoices):
        OPEN = "open", _("Open")
        ORDERED = "ordered", _("Ordered")

    customer = models.ForeignKey(
        Customer, verbose_name=_("customer"), related_name="carts", on_delete=models.CASCADE
    )
    status = models.CharField(
        _("status"), max_length=20, choices=Status.choices, default=Status.OPEN
    )
    total = models.DecimalField(_("total"), max_digits=10, decimal_places=2, default=Decimal(0))
    currency = models.CharField(
        _("currency"), max_length=3, choices=Currency.choices, default=Currency.CHF
    )
    created_at = models.DateTimeField(_("begun on"), default=timezone.now)
    updated_at = models.DateTimeField(_("last changed on"), default=timezone.now)

    class Meta:
        verbose_name = _("cart")
        verbose_name_plural = _("carts")
        ordering = ["-updated_at", "-pk"]

    def __str__(self) -> str:
        return gettext("Cart %(number)s") % {"number": self.pk}


class Item(models.Model):
    """A line of an order or a cart. Title and price are the product's at that time."""

    product = models.ForeignKey(
        Product, verbose_name=_("product"), related_name="+", on_delete=models.PROTECT
    )
    title = models.CharField(_("title"), max_length=200)
    quantity = models.PositiveIntegerField(_("quantity"), default=1)
    price = models.DecimalField(_("price for one"), max_digits=10, decimal_places=2)

    class Meta:
        abstract = True
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"{self.quantity} × {self.title}"


class OrderItem(Item):
    order = models.ForeignKey(
        Order, verbose_name=_("order"), related_name="items", on_delete=models.CASCADE
    )

    class Meta(Item.Meta):
        verbose_name = _("order item")
        verbose_name_plural = _("order items")


class CartItem(Item):
    cart = models.ForeignKey(
        Cart, verbose_name=_("cart"), related_name="items", on_delete=models.CASCADE
    )

    class Meta(Item.Meta):
        verbose_name = _("cart item")
        verbose_name_plural = _("cart items")


from automation.demo.conditions import NearCondition as NearCondition  # noqa: E402  (a model)
