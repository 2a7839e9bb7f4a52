"""Models of the forms of calls that texts are tested with."""

import uuid
from datetime import date
from django.db import models
from django.db.models import F, Q, Count
from django.contrib.contenttypes.fields import GenericForeignKey, GenericRelation
from django.contrib.contenttypes.models import ContentType


class City(models.Model):
    name = models.CharField(max_length=80)
    population = models.IntegerField(null=True)

    class Meta:
        ordering = ["name"]


class MakerQuerySet(models.QuerySet):
    def old(self):
        return self.filter(founded__lt=1950)

    def in_city(self, name):
        return self.filter(city__name=name)


class Maker(models.Model):
    name = models.CharField(max_length=80, unique=True)
    founded = models.IntegerField(null=True)
    city = models.ForeignKey(City, null=True, on_delete=models.SET_NULL, related_name="makers")
    parent = models.ForeignKey("self", null=True, on_delete=models.CASCADE, related_name="daughters")
    objects = MakerQuerySet.as_manager()


class Label(models.Model):
    name = models.CharField(max_length=30, unique=True)
    slug = models.SlugField(null=True)


class Note(models.Model):
    text = models.TextField()
    content_type = models.ForeignKey(ContentType, on_delete=models.CASCADE)
    object_id = models.PositiveIntegerField()
    target = GenericForeignKey("content_type", "object_id")


class Article(models.Model):
    name = models.CharField(max_length=100)
    code = models.CharField(max_length=12, unique=True)
    about = models.TextField(blank=True, default="")
    maker = models.ForeignKey(Maker, on_delete=models.CASCADE, related_name="articles")
    designer = models.ForeignKey("Person", null=True, blank=True, on_delete=models.SET_NULL)
    labels = models.ManyToManyField(Label, related_name="articles", blank=True)
    price = models.DecimalField(max_digits=8, decimal_places=2)
    weight = models.FloatField(null=True)
    stock = models.IntegerField(default=0)
    sold = models.BooleanField(default=False)
    made = models.DateField(null=True)
    added = models.DateTimeField(null=True)
    opens = models.TimeField(null=True)
    shelf_life = models.DurationField(null=True)
    key = models.UUIDField(null=True)
    data = models.JSONField(null=True)
    blob = models.BinaryField(null=True)
    ip = models.GenericIPAddressField(null=True)
    small = models.PositiveSmallIntegerField(null=True)
    notes = GenericRelation(Note, content_type_field="content_type", object_id_field="object_id", related_query_name="article")

    class Meta:
        get_latest_by = "added"


class Person(models.Model):
    first = models.CharField(max_length=40)
    last = models.CharField(max_length=40)
    friends = models.ManyToManyField("self")
    born = models.DateField(null=True)


class Profile(models.Model):
    person = models.OneToOneField(Person, on_delete=models.CASCADE, related_name="profile")
    bio = models.TextField()


class Order(models.Model):
    class Status(models.TextChoices):
        OPEN = "o", "Open"
        PAID = "p", "Paid"

    number = models.IntegerField()
    status = models.CharField(max_length=1, choices=Status.choices, default=Status.OPEN)
    placed = models.DateTimeField()
    customer = models.ForeignKey(Person, on_delete=models.PROTECT)


class Line(models.Model):
    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="lines")
    article = models.ForeignKey(Article, on_delete=models.CASCADE, related_name="lines", related_query_name="line")
    quantity = models.IntegerField()
    price = models.DecimalField(max_digits=8, decimal_places=2)


class Special(Article):
    reason = models.CharField(max_length=50)


class Old(Maker):
    class Meta:
        proxy = True
        ordering = ["-founded"]
