import uuid
from datetime import date

from django.contrib.auth.models import User
from django.db import models
from django.db.models import F, Q
from django.utils import timezone


class BookQuerySet(models.QuerySet):
    def long(self, pages=300):
        """Books of many pages."""
        return self.filter(pages__gt=pages)

    def shelved(self):
        return map(str, self)


class VisibleManager(models.Manager.from_queryset(BookQuerySet)):
    def get_queryset(self):
        return super().get_queryset().filter(hidden=False)


class Named(models.Model):
    name = models.CharField(max_length=100)

    class Meta:
        abstract = True
        ordering = ["name"]


class Author(Named):
    born = models.DateField(null=True)
    user = models.OneToOneField(User, models.SET_NULL, null=True)
    friends = models.ManyToManyField("self")


class Tag(Named):
    pass


class Book(models.Model):
    class Kind(models.TextChoices):
        NOVEL = "N", "Novel"
        ESSAY = "E", "Essay"

    SHORT = 100

    title = models.CharField(max_length=200)
    author = models.ForeignKey(Author, models.CASCADE, related_name="books", null=True)
    tags = models.ManyToManyField(Tag, related_query_name="work")
    pages = models.IntegerField(default=SHORT)
    kind = models.CharField(max_length=1, choices=Kind, default=Kind.NOVEL)
    price = models.DecimalField(max_digits=6, decimal_places=2, null=True)
    published = models.DateField(default=date.today)
    added = models.DateTimeField(auto_now_add=True)
    hidden = models.BooleanField(default=False)
    data = models.JSONField(default=dict)

    objects = VisibleManager()
    everything = models.Manager()

    class Meta:
        ordering = ["-published", F("title").asc(nulls_last=True)]
        get_latest_by = "published"
        unique_together = ("title", "author")
        indexes = [models.Index(fields=["kind", "-pages"], name="kind_pages")]
        constraints = [models.CheckConstraint(condition=Q(pages__gt=0), name="pages")]

    def __str__(self):
        return f"{self.title}"


class Loan(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    book = models.ForeignKey(Book, models.PROTECT)
    until = models.DateTimeField(default=timezone.now)
