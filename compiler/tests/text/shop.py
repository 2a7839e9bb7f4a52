from __future__ import annotations
import uuid
from decimal import Decimal as D
from django.contrib.auth import get_user_model
from django.conf import settings
from django.contrib.contenttypes.fields import GenericForeignKey, GenericRelation
from django.db.models import CharField, ForeignKey, Model, CASCADE, F, Q, TextChoices, SET_NULL, PROTECT
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

MAX = 40

class Color(models.TextChoices):
    RED = "R", _("Red")
    BLUE = "B"

class TimeStamped(models.Model):
    created = models.DateTimeField(auto_now_add=True)
    updated = models.DateTimeField(auto_now=True)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="%(app_label)s_%(class)s_items", related_query_name="%(class)s")

    class Meta:
        abstract = True
        ordering = ["-created"]
        get_latest_by = "created"

class ItemQuerySet(models.QuerySet):
    def cheap(self, limit=10):
        "Cheap ones."
        return self.filter(price__lt=limit)
    def named(self, name: str, *, exact: bool = False) -> "ItemQuerySet":
        key = "name"
        return self.cheap().filter(**{key: name})

class ItemManager(models.Manager.from_queryset(ItemQuerySet)):
    def get_queryset(self):
        return super().get_queryset().filter(active=True)

class Item(TimeStamped):
    class Size(models.IntegerChoices):
        SMALL = 1
        LARGE = 2, "Large"

    id: uuid.UUID = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = CharField(_("the name"), max_length=MAX, help_text=f"x {MAX}")
    price = models.DecimalField(max_digits=8, decimal_places=2, default=D("1.50"))
    size = models.IntegerField(choices=Size.choices, default=Size.SMALL)
    color = models.CharField(max_length=1, choices=Color, default=Color.RED)
    active = models.BooleanField(default=True)
    tags = models.ManyToManyField("Tag", blank=True, related_name="+")
    similar = models.ManyToManyField("self", symmetrical=False, related_name="similar_to")
    friends = models.ManyToManyField("self")
    slug = models.SlugField()
    parent = ForeignKey("self", on_delete=CASCADE, null=True, blank=True, db_column="up")
    cat = models.ForeignKey("shop.Category", PROTECT, to_field="code", db_index=False)
    full = models.GeneratedField(expression=F("name"), output_field=models.CharField(max_length=50), db_persist=True)
    meta = models.JSONField(default=dict)

    objects = ItemManager()
    everything = models.Manager()
    qs = ItemQuerySet.as_manager()

    class Meta(TimeStamped.Meta):
        ordering = [F("name").asc(nulls_last=True), "-price"]
        unique_together = ("name", "slug")
        indexes = [models.Index(fields=["name", "-price"], name="np")]
        constraints = [
            models.UniqueConstraint(fields=["slug"], name="u_slug"),
            models.UniqueConstraint(models.functions.Lower("name"), name="expr"),
            models.CheckConstraint(condition=Q(price__gt=0), name="pos"),
        ]

    def __str__(self):
        return f"{self.name}"

    @property
    def double(self):
        for x in [1, 2]:
            yield x
        return [i for i in range(3)]

    if True:
        x = 3

class Category(models.Model):
    code = models.CharField(max_length=5, unique=True)
    members = models.ManyToManyField(Item, through="Membership", through_fields=("category", "item"))

class Membership(models.Model):
    category = models.ForeignKey(Category, models.CASCADE)
    item = models.ForeignKey(Item, models.CASCADE)
    inviter = models.ForeignKey(Item, models.CASCADE, related_name="invited")

class Tag(models.Model):
    name = models.CharField(max_length=5)
    class Meta:
        db_table = "tagging"
        app_label = "other"

class Special(Item):
    extra = models.TextField()

class Special2(Special):
    up = models.OneToOneField(Special, models.CASCADE, parent_link=True, primary_key=True)

class ProxyItem(Item):
    class Meta:
        proxy = True

class Note(models.Model):
    pk = models.CompositePrimaryKey("tenant_id", "number")
    tenant = models.ForeignKey(Category, models.CASCADE)
    number = models.IntegerField()
    ref = models.ForeignObject("Note", models.DO_NOTHING, from_fields=("tenant_id", "number"), to_fields=("tenant_id", "number"), related_name="backs")

class Helper:
    pass

def helper():
    return 1
