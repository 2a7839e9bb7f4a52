"""django-mongodb-backend without a server."""


def start(apps, collection, **settings):
    """Sets Django up for applications; `collection(name)` makes what stands for a collection and gets the pipelines."""
    import django
    from django.conf import settings as django_settings

    django_settings.configure(
        INSTALLED_APPS=["django_mongodb_backend", *apps],
        DATABASES={"default": {"ENGINE": "django_mongodb_backend", "HOST": "mongodb://127.0.0.1:1", "NAME": "none"}},
        DEFAULT_AUTO_FIELD="django_mongodb_backend.fields.ObjectIdAutoField",
        TIME_ZONE="UTC",
        **settings,
    )
    django.setup()
    from django_mongodb_backend import base

    base.DatabaseWrapper.get_collection = lambda self, name, **_: collection(name)
    base.DatabaseWrapper.get_database_version = lambda self: (8, 0, 0)
    base.DatabaseWrapper.session = None
