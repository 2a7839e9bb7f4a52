//! The models of Django's own apps, as far as queries see them.

/// App labels with their models.
pub(super) const APPS: &[(&str, &str)] = &[
    ("auth", AUTH),
    ("contenttypes", CONTENT_TYPES),
    ("sites", SITES),
    ("redirects", REDIRECTS),
    ("flatpages", FLATPAGES),
    ("sessions", SESSIONS),
    ("admin", ADMIN),
];

/// Classes by the name that models.py imports them with.
const CLASSES: &[(&str, &str)] = &[
    ("User", "auth.User"),
    ("Group", "auth.Group"),
    ("Permission", "auth.Permission"),
    ("ContentType", "contenttypes.ContentType"),
    ("Site", "sites.Site"),
    ("Redirect", "redirects.Redirect"),
    ("FlatPage", "flatpages.FlatPage"),
    ("Session", "sessions.Session"),
    ("LogEntry", "admin.LogEntry"),
];

/// Whether the label of an app is that of one of Django's own.
#[must_use]
pub fn is_contrib(app: &str) -> bool {
    APPS.iter().any(|(label, _)| *label == app)
}

/// The label of a class of Django's apps.
pub(super) fn label(class: &str) -> Option<&'static str> {
    CLASSES
        .iter()
        .find(|(name, _)| *name == class)
        .map(|(_, label)| *label)
}

/// Abstract bases of user models, by name.
pub(super) const ABSTRACT_USERS: &str = r#"
class AbstractBaseUser(models.Model):
    password = models.CharField(max_length=128)
    last_login = models.DateTimeField(null=True)
    class Meta:
        abstract = True

class PermissionsMixin(models.Model):
    is_superuser = models.BooleanField(default=False)
    groups = models.ManyToManyField("auth.Group", related_name="user_set", related_query_name="user")
    user_permissions = models.ManyToManyField("auth.Permission", related_name="user_set", related_query_name="user")
    class Meta:
        abstract = True

class AbstractUser(AbstractBaseUser, PermissionsMixin):
    username = models.CharField(max_length=150, unique=True)
    first_name = models.CharField(max_length=150)
    last_name = models.CharField(max_length=150)
    email = models.EmailField()
    is_staff = models.BooleanField(default=False)
    is_active = models.BooleanField(default=True)
    date_joined = models.DateTimeField(default=timezone.now)
    class Meta:
        abstract = True
"#;

const AUTH: &str = r#"
class Permission(models.Model):
    name = models.CharField(max_length=255)
    content_type = models.ForeignKey("contenttypes.ContentType", models.CASCADE)
    codename = models.CharField(max_length=100)
    class Meta:
        unique_together = [["content_type", "codename"]]
        ordering = ["content_type__app_label", "content_type__model", "codename"]

class Group(models.Model):
    name = models.CharField(max_length=150, unique=True)
    permissions = models.ManyToManyField(Permission)

class User(AbstractUser):
    pass
"#;

const CONTENT_TYPES: &str = r#"
class ContentType(models.Model):
    app_label = models.CharField(max_length=100)
    model = models.CharField(max_length=100)
    class Meta:
        db_table = "django_content_type"
        unique_together = [["app_label", "model"]]
"#;

const SITES: &str = r#"
class Site(models.Model):
    domain = models.CharField(max_length=100, unique=True)
    name = models.CharField(max_length=50)
    class Meta:
        db_table = "django_site"
        ordering = ["domain"]
"#;

const REDIRECTS: &str = r#"
class Redirect(models.Model):
    site = models.ForeignKey("sites.Site", models.CASCADE)
    old_path = models.CharField(max_length=200, db_index=True)
    new_path = models.CharField(max_length=200)
    class Meta:
        db_table = "django_redirect"
        unique_together = [["site", "old_path"]]
        ordering = ["old_path"]
"#;

const FLATPAGES: &str = r#"
class FlatPage(models.Model):
    url = models.CharField(max_length=100, db_index=True)
    title = models.CharField(max_length=200)
    content = models.TextField()
    enable_comments = models.BooleanField(default=False)
    template_name = models.CharField(max_length=70)
    registration_required = models.BooleanField(default=False)
    sites = models.ManyToManyField("sites.Site")
    class Meta:
        db_table = "django_flatpage"
        ordering = ["url"]
"#;

const SESSIONS: &str = r#"
class Session(models.Model):
    session_key = models.CharField(max_length=40, primary_key=True)
    session_data = models.TextField()
    expire_date = models.DateTimeField(db_index=True)
    class Meta:
        db_table = "django_session"
"#;

const ADMIN: &str = r#"
class LogEntry(models.Model):
    action_time = models.DateTimeField(default=timezone.now)
    user = models.ForeignKey("auth.User", models.CASCADE)
    content_type = models.ForeignKey("contenttypes.ContentType", models.SET_NULL, null=True)
    object_id = models.TextField(null=True)
    object_repr = models.CharField(max_length=200)
    action_flag = models.PositiveSmallIntegerField()
    change_message = models.TextField()
    class Meta:
        db_table = "django_admin_log"
        ordering = ["-action_time"]
"#;
