from django.db import models
from django_mongodb_backend.fields import ArrayField, EmbeddedModelArrayField, EmbeddedModelField
from django_mongodb_backend.models import EmbeddedModel


class Tag(models.Model):
    name = models.CharField(max_length=20, unique=True)
    weight = models.IntegerField(null=True)

    class Meta:
        ordering = ["name"]


class Author(models.Model):
    name = models.CharField(max_length=20)
    nick = models.CharField(max_length=20, null=True, db_index=True)
    age = models.IntegerField(null=True)
    score = models.FloatField(null=True)
    money = models.DecimalField(max_digits=8, decimal_places=2, null=True)
    alive = models.BooleanField(null=True)
    born = models.DateField(null=True)
    seen = models.DateTimeField(null=True)
    mentor = models.ForeignKey("self", on_delete=models.SET_NULL, null=True, related_name="pupils")


class Profile(models.Model):
    author = models.OneToOneField(Author, on_delete=models.CASCADE, related_name="profile")
    site = models.CharField(max_length=20, null=True)


class Spot(EmbeddedModel):
    name = models.CharField(max_length=20, null=True)
    level = models.IntegerField(null=True)


class Part(EmbeddedModel):
    kind = models.CharField(max_length=20, null=True)
    size = models.IntegerField(null=True)


class Book(models.Model):
    title = models.CharField(max_length=20, db_index=True)
    isbn = models.CharField(max_length=20, null=True, unique=True)
    pages = models.IntegerField(null=True)
    rating = models.FloatField(null=True)
    price = models.DecimalField(max_digits=8, decimal_places=2)
    in_print = models.BooleanField()
    published = models.DateField(null=True, db_index=True)
    added = models.DateTimeField()
    wakes = models.TimeField(null=True)
    length = models.DurationField(null=True)
    code = models.UUIDField()
    keywords = ArrayField(models.CharField(max_length=20), null=True)
    marks = ArrayField(models.IntegerField(null=True), null=True)
    meta = models.JSONField(null=True)
    spot = EmbeddedModelField(Spot, null=True)
    parts = EmbeddedModelArrayField(Part, null=True)
    author = models.ForeignKey(Author, on_delete=models.CASCADE, related_name="books")
    editor = models.ForeignKey(Author, on_delete=models.SET_NULL, null=True, related_name="edited")
    tags = models.ManyToManyField(Tag, related_name="books")


class Ebook(Book):
    size = models.BigIntegerField(null=True)


class Review(models.Model):
    book = models.ForeignKey(Book, on_delete=models.CASCADE, related_name="reviews")
    stars = models.IntegerField()
    text = models.CharField(max_length=20, null=True)
    created = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-stars", "id"]
