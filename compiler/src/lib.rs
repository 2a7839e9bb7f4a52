//! The pure compiler: Django-like querysets to MongoDB commands.
