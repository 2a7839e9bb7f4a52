//! models.py as a schema: what Django makes of the classes, and what is passed over.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)] // helpers of tests

use mqlc_compiler::Code;
use mqlc_compiler::schema::{FieldKind, ModelSpec, OnDelete, Schema, SchemaSpec};
use mqlc_compiler::text::{Models, ModelsOptions, parse_models, parse_models_with};

const SHOP: &str = include_str!("text/shop.py");

fn read(source: &str) -> Models {
    let source = format!("from django.db import models\n{source}");
    parse_models("shop", &source).unwrap_or_else(|e| panic!("{}", e.render(&source)))
}

/// The model of the source, as the JSON of its fields.
#[track_caller]
fn fields(source: &str, label: &str, expected: &str) {
    let models = read(source);
    Schema::new(models.spec.clone()).unwrap();
    let model = models.spec.models[label].clone();
    let spec = |model: ModelSpec| SchemaSpec {
        models: [(label.to_owned(), model)].into_iter().collect(),
        ..SchemaSpec::default()
    };
    let wanted =
        format!(r#"{{"models": {{"{label}": {{"collection": "c", "fields": {expected}}}}}}}"#);
    let wanted = SchemaSpec::from_json(&wanted).unwrap().models[label]
        .fields
        .clone();
    let found = ModelSpec {
        fields: model.fields,
        ..ModelSpec::default()
    };
    let wanted = ModelSpec {
        fields: wanted,
        ..ModelSpec::default()
    };
    assert_eq!(spec(found).to_json_pretty(), spec(wanted).to_json_pretty());
}

const ID: &str =
    r#"{"name": "id", "type": "AutoField", "column": "_id", "primary_key": true, "unique": true}"#;

#[test]
fn plain_fields_have_columns_and_parameters() {
    fields(
        "
class A(models.Model):
    name = models.CharField('the name', max_length=50, unique=True)
    mail = models.EmailField()
    slug = models.SlugField(null=True, blank=True)
    when = models.DateTimeField(db_index=True, auto_now_add=True)
    price = models.DecimalField(max_digits=8, decimal_places=2, db_column='cost')
    key = models.UUIDField()
",
        "shop.A",
        &format!(
            r#"[{ID},
            {{"name": "name", "type": "CharField", "column": "name", "unique": true, "max_length": 50}},
            {{"name": "mail", "type": "CharField", "column": "mail", "max_length": 254}},
            {{"name": "slug", "type": "SlugField", "column": "slug", "null": true, "db_index": true, "max_length": 50}},
            {{"name": "when", "type": "DateTimeField", "column": "when", "db_index": true}},
            {{"name": "price", "type": "DecimalField", "column": "cost", "max_digits": 8, "decimal_places": 2}},
            {{"name": "key", "type": "UUIDField", "column": "key", "max_length": 32}}]"#
        ),
    );
}

#[test]
fn primary_keys_are_stored_as_id() {
    fields(
        "
class A(models.Model):
    code = models.CharField(primary_key=True, max_length=3, db_column='c')
class B(models.Model):
    a = models.OneToOneField(A, models.CASCADE, primary_key=True)
",
        "shop.B",
        r#"[{"name": "a", "type": "OneToOneField", "column": "_id", "attname": "a_id", "primary_key": true, "unique": true,
            "db_index": true, "to": "shop.A", "related_query_name": "b", "related_name": "b", "on_delete": "CASCADE"}]"#,
    );
}

#[test]
fn relations_know_their_way_back() {
    fields(
        "
class A(models.Model):
    pass
class Base(models.Model):
    one = models.ForeignKey(A, models.SET_NULL, null=True, related_name='%(app_label)s_%(class)ss', related_query_name='%(class)s')
    class Meta:
        abstract = True
class B(Base):
    two = models.ForeignKey('shop.A', on_delete=models.PROTECT, related_name='+', to_field='id', db_index=False)
    three = models.ForeignKey('self', models.SET_DEFAULT, default=3)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET(1))
",
        "shop.B",
        &format!(
            r#"[{ID},
            {{"name": "one", "type": "ForeignKey", "column": "one_id", "attname": "one_id", "null": true, "db_index": true, "to": "shop.A",
              "related_query_name": "b", "related_name": "shop_bs", "on_delete": "SET_NULL"}},
            {{"name": "two", "type": "ForeignKey", "column": "two_id", "attname": "two_id", "to": "shop.A", "to_field": "id",
              "related_query_name": null, "related_name": null, "on_delete": "PROTECT"}},
            {{"name": "three", "type": "ForeignKey", "column": "three_id", "attname": "three_id", "db_index": true, "to": "shop.B",
              "related_query_name": "b", "related_name": "b_set", "on_delete": "SET_DEFAULT", "on_delete_value": 3}},
            {{"name": "user", "type": "ForeignKey", "column": "user_id", "attname": "user_id", "db_index": true, "to": "auth.User",
              "related_query_name": "b", "related_name": "b_set", "on_delete": "SET", "on_delete_value": 1}}]"#
        ),
    );
}

#[test]
fn many_to_many_fields_have_intermediate_models() {
    let source = "
class A(models.Model):
    bs = models.ManyToManyField('B')
    peers = models.ManyToManyField('self')
    fans = models.ManyToManyField('self', symmetrical=False, through='Fan', through_fields=('idol', 'fan'), related_name='idols')
class B(models.Model):
    members = models.ManyToManyField(A, through='Member')
    class Meta:
        default_related_name = 'groups'
class Member(models.Model):
    b = models.ForeignKey(B, models.CASCADE)
    a = models.ForeignKey(A, models.CASCADE)
    inviter = models.ForeignKey(A, models.CASCADE, related_name='invited')
class Fan(models.Model):
    fan = models.ForeignKey(A, models.CASCADE, related_name='+')
    idol = models.ForeignKey(A, models.CASCADE, related_name='+')
";
    fields(
        source,
        "shop.A",
        &format!(
            r#"[{ID},
            {{"name": "bs", "type": "ManyToManyField", "column": "bs", "to": "shop.B", "related_query_name": "a", "related_name": "a_set",
              "through": "shop.A_bs", "through_fields": ["a", "b"]}},
            {{"name": "peers", "type": "ManyToManyField", "column": "peers", "to": "shop.A", "related_query_name": "peers_rel_+",
              "related_name": null, "through": "shop.A_peers", "through_fields": ["from_a", "to_a"], "symmetrical": true}},
            {{"name": "fans", "type": "ManyToManyField", "column": "fans", "to": "shop.A", "related_query_name": "idols",
              "related_name": "idols", "through": "shop.Fan", "through_fields": ["idol", "fan"]}}]"#
        ),
    );
    fields(
        source,
        "shop.B",
        &format!(
            r#"[{ID}, {{"name": "members", "type": "ManyToManyField", "column": "members", "to": "shop.A",
            "related_query_name": "groups", "related_name": "groups", "through": "shop.Member", "through_fields": ["b", "a"]}}]"#
        ),
    );
    fields(
        source,
        "shop.A_bs",
        &format!(
            r#"[{ID},
            {{"name": "a", "type": "ForeignKey", "column": "a_id", "attname": "a_id", "db_index": true, "to": "shop.A",
              "related_query_name": null, "related_name": null, "on_delete": "CASCADE"}},
            {{"name": "b", "type": "ForeignKey", "column": "b_id", "attname": "b_id", "db_index": true, "to": "shop.B",
              "related_query_name": null, "related_name": null, "on_delete": "CASCADE"}}]"#
        ),
    );
    let through = &read(source).spec.models["shop.A_bs"];
    assert_eq!(through.collection, "shop_a_bs");
    assert_eq!(through.unique_together, [["a", "b"]]);
}

#[test]
fn children_of_stored_models_link_to_them() {
    let source = "
class A(models.Model):
    class Meta:
        ordering = ['x']
    x = models.IntegerField()
class B(A):
    y = models.IntegerField()
class C(B):
    up = models.OneToOneField(B, models.CASCADE, parent_link=True, related_name='down')
class D(A):
    class Meta:
        proxy = True
";
    fields(
        source,
        "shop.B",
        r#"[{"name": "a_ptr", "type": "OneToOneField", "column": "_id", "attname": "a_ptr_id", "primary_key": true, "unique": true,
            "db_index": true, "to": "shop.A", "related_query_name": "b", "related_name": "b", "on_delete": "CASCADE"},
            {"name": "y", "type": "IntegerField", "column": "y"}]"#,
    );
    let spec = read(source).spec;
    assert_eq!(spec.models["shop.C"].parents["shop.B"], "up");
    assert_eq!(
        spec.models["shop.C"].fields[0].column.as_deref(),
        Some("_id")
    );
    assert_eq!(
        spec.models["shop.C"].ordering,
        spec.models["shop.A"].ordering
    );
    assert_eq!(spec.models["shop.D"].proxy_for.as_deref(), Some("shop.A"));
    assert_eq!(spec.models["shop.D"].collection, "shop_a");
}

#[test]
fn fields_of_their_own_kind() {
    fields(
        "
from django.contrib.contenttypes.fields import GenericForeignKey, GenericRelation
from django.contrib.contenttypes.models import ContentType
from django_mongodb_backend.models import EmbeddedModel
from django_mongodb_backend.fields import ArrayField, EmbeddedModelField, PolymorphicEmbeddedModelField
class Cat(EmbeddedModel):
    name = models.CharField(max_length=5)
class Dog(EmbeddedModel):
    pass
class Tag(models.Model):
    content_type = models.ForeignKey(ContentType, models.CASCADE)
    object_id = models.PositiveIntegerField()
    target = GenericForeignKey()
class A(models.Model):
    tags = GenericRelation(Tag, related_query_name='a')
    grid = ArrayField(ArrayField(models.IntegerField(), size=3), size=2)
    cat = EmbeddedModelField(Cat, null=True)
    pet = PolymorphicEmbeddedModelField(['Cat', Dog])
    cats = ArrayField(EmbeddedModelField('Cat'))
    size = models.GeneratedField(expression=F('x') * 2, output_field=models.IntegerField(), db_persist=True)
",
        "shop.A",
        &format!(
            r#"[{ID},
            {{"name": "grid", "type": "ArrayField", "column": "grid", "size": 2, "base": {{"type": "ArrayField", "size": 3, "base": {{"type": "IntegerField"}}}}}},
            {{"name": "cat", "type": "EmbeddedModelField", "column": "cat", "null": true, "model": "shop.Cat"}},
            {{"name": "pet", "type": "PolymorphicEmbeddedModelField", "column": "pet", "models": ["shop.Cat", "shop.Dog"]}},
            {{"name": "cats", "type": "ArrayField", "column": "cats", "base": {{"type": "EmbeddedModelField", "model": "shop.Cat"}}}},
            {{"name": "size", "type": "IntegerField", "column": "size", "generated": true}},
            {{"name": "tags", "type": "GenericRelation", "to": "shop.Tag", "related_query_name": "a",
              "generic": {{"content_type": "content_type", "object_id": "object_id"}}}}]"#
        ),
    );
    fields(
        "
class T(models.Model):
    pk = models.CompositePrimaryKey('a', 'b')
    a = models.IntegerField()
    b = models.IntegerField()
    t = models.ForeignObject('self', models.DO_NOTHING, from_fields=['a', 'b'], to_fields=('a', 'b'))
",
        "shop.T",
        r#"[{"name": "pk", "type": "CompositePrimaryKey", "fields": ["a", "b"]},
            {"name": "a", "type": "IntegerField", "column": "a"}, {"name": "b", "type": "IntegerField", "column": "b"},
            {"name": "t", "type": "ForeignObject", "to": "shop.T", "related_query_name": "t", "related_name": "t_set",
             "from_fields": ["a", "b"], "to_fields": ["a", "b"], "on_delete": "DO_NOTHING"}]"#,
    );
}

/// A file in which nearly everything occurs: styles of imports, constants, enumerations, code.
#[test]
fn a_whole_file() {
    let models = parse_models("shop", SHOP).unwrap_or_else(|e| panic!("{}", e.render(SHOP)));
    Schema::new(models.spec.clone()).unwrap();
    let item = &models.spec.models["shop.Item"];
    assert_eq!(item.get_latest_by, ["created"]);
    assert_eq!(item.unique_together, [["name", "slug"]]);
    assert_eq!(item.indexes.len(), 2);
    assert_eq!(item.collection, "shop_item");
    assert!(
        item.fields
            .iter()
            .any(|f| f.name == "name" && f.ty.max_length == Some(40))
    );
    assert!(
        !item
            .fields
            .iter()
            .any(|f| f.name == "id" && f.ty.kind == FieldKind::AutoField)
    );
    assert_eq!(models.spec.models["other.Tag"].collection, "tagging");
    let skipped: Vec<&str> = models.skipped.iter().map(|s| s.what.as_str()).collect();
    insta::assert_snapshot!(skipped.join("\n"), @r"
    UniqueConstraint expr
    method Item.__str__
    method Item.double
    'if' statement in Item
    class Helper
    function helper
    ");
}

#[test]
fn options_of_the_project() {
    let options = ModelsOptions {
        auto_field: FieldKind::ObjectIdAutoField,
        user_model: "shop.Person".to_owned(),
        contrib: false,
    };
    let source = "
class Person(AbstractUser):
    pass
class A(models.Model):
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE)
    other = models.ForeignKey(get_user_model(), models.CASCADE, related_name='+')
";
    let models = parse_models_with("shop", source, &options)
        .unwrap_or_else(|e| panic!("{}", e.render(source)));
    let labels: Vec<&str> = models.spec.models.keys().map(String::as_str).collect();
    assert_eq!(
        labels,
        [
            "shop.Person",
            "shop.Person_groups",
            "shop.Person_user_permissions",
            "shop.A"
        ]
    );
    let a = &models.spec.models["shop.A"];
    assert_eq!(a.fields[0].ty.kind, FieldKind::ObjectIdAutoField);
    for field in &a.fields[1..] {
        let relation = field.relation.as_ref().unwrap();
        assert_eq!(relation.to, "shop.Person");
        assert_eq!(relation.on_delete, Some(OnDelete::Cascade));
    }
}

#[test]
fn files_of_several_apps_merge() {
    let mut models = read("class A(models.Model):\n    pass");
    let other = parse_models("blog", "from shop.models import A\nclass B(models.Model):\n    a = models.ForeignKey(A, models.CASCADE)").unwrap();
    models.merge(other);
    let schema = Schema::new(models.spec).unwrap();
    assert!(schema.find("shop.A").unwrap().names.contains_key("b"));
    assert_eq!(
        schema.find("blog.C").unwrap_err().code(),
        Code::UnknownModel
    );
}

/// Functions of Django's that are registered as transforms become settings; other registrations are Python.
#[test]
fn registered_transforms() {
    let models = read(
        "from django.db import models
from django.db.models import CharField
from django.db.models.functions import Abs, Length

class Vector(models.Model):
    x = models.FloatField()

models.FloatField.register_lookup(Abs)
CharField.register_lookup(Length, 'len')
CharField.register_lookup(NotEqual)
",
    );
    let lookups = &models.spec.settings.lookups;
    let name = |class: &str, name: &str| lookups.get(class).and_then(|names| names.get(name));
    assert_eq!(name("FloatField", "abs").map(String::as_str), Some("Abs"));
    assert_eq!(name("CharField", "len").map(String::as_str), Some("Length"));
    assert_eq!(models.skipped.len(), 1);
}
