"""The models of the benchmark: a shop of books. Keys are integers, so that querysets can name rows."""

from django.db import models


class Publisher(models.Model):
    id = models.BigIntegerField(primary_key=True, db_column="_id")
    name = models.CharField(max_length=80, unique=True)
    country = models.CharField(max_length=2, db_index=True)
    founded = models.IntegerField(null=True)


class Author(models.Model):
    id = models.BigIntegerField(primary_key=True, db_column="_id")
    name = models.CharField(max_length=80, db_index=True)
    email = models.EmailField(unique=True)
    country = models.CharField(max_length=2)
    born = models.DateField(null=True)


class Tag(models.Model):
    id = models.BigIntegerField(primary_key=True, db_column="_id")
    name = models.SlugField(unique=True)


class Book(models.Model):
    id = models.BigIntegerField(primary_key=True, db_column="_id")
    title = models.CharField(max_length=120, db_index=True)
    subtitle = models.CharField(max_length=200, null=True)
    isbn = models.CharField(max_length=13, unique=True)
    author = models.ForeignKey(Author, on_delete=models.CASCADE, related_name="books")
    editor = models.ForeignKey(Author, on_delete=models.SET_NULL, null=True, related_name="edited")
    publisher = models.ForeignKey(Publisher, on_delete=models.PROTECT, null=True, related_name="books")
    tags = models.ManyToManyField(Tag, related_name="books")
    pages = models.IntegerField(null=True)
    price = models.FloatField()
    rating = models.FloatField(null=True)
    published = models.DateField(db_index=True)
    added = models.DateTimeField(db_index=True)
    in_print = models.BooleanField(default=True)


class Customer(models.Model):
    id = models.BigIntegerField(primary_key=True, db_column="_id")
    name = models.CharField(max_length=80)
    email = models.EmailField(unique=True)
    city = models.CharField(max_length=40, db_index=True)
    joined = models.DateTimeField()


class Order(models.Model):
    id = models.BigIntegerField(primary_key=True, db_column="_id")
    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="orders")
    placed = models.DateTimeField(db_index=True)
    status = models.CharField(max_length=10)


class Line(models.Model):
    id = models.BigIntegerField(primary_key=True, db_column="_id")
    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="lines")
    book = models.ForeignKey(Book, on_delete=models.PROTECT, related_name="lines")
    quantity = models.IntegerField()
    unit_price = models.FloatField()


class Review(models.Model):
    id = models.BigIntegerField(primary_key=True, db_column="_id")
    book = models.ForeignKey(Book, on_delete=models.CASCADE, related_name="reviews")
    customer = models.ForeignKey(Customer, on_delete=models.SET_NULL, null=True, related_name="reviews")
    stars = models.IntegerField()
    text = models.TextField(null=True)
    created = models.DateTimeField()
