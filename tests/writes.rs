//! Writes: for every statement of `fixtures/writes`, the commands, the result and what has become of the documents of a fresh
//! library, in one snapshot.
// Tests may stop where they fail.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod support;

use std::collections::BTreeMap;
use std::fmt::Write;

use bson::{Document, doc};
use mqlc::Compiler;
use mqlc::compiler::text;
use mqlc::executors::{Execute, Outcome};
use support::{Library, World, documents as all_of};

type Documents = BTreeMap<(String, String), Document>;

#[test]
fn statements() {
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.set_snapshot_path(support::path("fixtures/snapshots"));
    settings.bind(|| {
        let mut count = 0;
        for file in std::fs::read_dir(support::path("fixtures/writes")).unwrap() {
            let file = file.unwrap().path();
            let name = file.file_stem().unwrap().to_str().unwrap().to_owned();
            let source = std::fs::read_to_string(&file).unwrap();
            insta::assert_snapshot!(format!("writes__{name}"), golden(&source));
            count += 1;
        }
        assert!(count > 10, "the fixtures are not there");
    });
}

fn golden(source: &str) -> String {
    let library = Library::load();
    let statement = library.parse(source);
    let compiler = Compiler::new(library.schema.clone());
    let before = documents(&library);
    let explanation = compiler.explain(&statement).unwrap();
    let mut out = source.to_owned();
    let _ = writeln!(out, "\n{explanation}");
    match support::wait(library.executor.execute(&explanation.compiled)) {
        Ok(Outcome::Upserted { row, created }) => {
            let what = if created { "Created" } else { "Found" };
            let row = serde_json::to_string(&row).unwrap();
            let _ = writeln!(out, "== {what}\n{row}");
        }
        Ok(Outcome::Written(written)) => {
            let _ = writeln!(out, "== Written\n{}", written.count);
            for (label, count) in &written.deleted {
                let _ = writeln!(out, "{label}: {count}");
            }
            for key in &written.keys {
                let _ = writeln!(out, "key {key}");
            }
        }
        Ok(other) => panic!("{other:?}"),
        Err(error) => {
            let _ = writeln!(out, "== Refused\n{error}");
        }
    }
    let after = documents(&library);
    let _ = writeln!(out, "== Documents");
    for (key, old) in &before {
        let _ = match after.get(key) {
            None => writeln!(out, "- {} {}", key.0, key.1),
            Some(new) if new != old => {
                writeln!(out, "  {} {}: {}", key.0, key.1, changes(old, new))
            }
            _ => continue,
        };
    }
    for (key, new) in &after {
        if !before.contains_key(key) {
            let _ = writeln!(out, "+ {} {new}", key.0);
        }
    }
    out
}

fn changes(old: &Document, new: &Document) -> String {
    let mut parts = Vec::new();
    for (key, value) in new {
        if old.get(key) != Some(value) {
            let before = old
                .get(key)
                .map_or("missing".to_owned(), ToString::to_string);
            parts.push(format!("{key} {before} -> {value}"));
        }
    }
    parts.join(", ")
}

fn documents(library: &Library) -> Documents {
    let mut all = Documents::new();
    for model in library.schema.models() {
        for document in all_of(&library.executor, &model.collection) {
            let key = (
                model.collection.to_string(),
                document.get("_id").unwrap().to_string(),
            );
            all.insert(key, document);
        }
    }
    all
}

/// Documents deleted by model, or the message of the refusal.
fn delete(world: &World, source: &str) -> Result<BTreeMap<String, u64>, String> {
    match world.run(source) {
        Ok(Outcome::Written(written)) => Ok(written.deleted.into_iter().collect()),
        Ok(other) => panic!("{other:?}"),
        Err(error) => Err(error.to_string()),
    }
}

fn counts<const N: usize>(counts: [(&str, u64); N]) -> Result<BTreeMap<String, u64>, String> {
    Ok(counts.map(|(label, n)| (label.to_owned(), n)).into())
}

/// References in circles: `CASCADE` goes on until nothing more is found, however long the chain and even round a ring.
#[test]
fn cascades_go_round() {
    let world = World::new(
        "
class Folder(models.Model):
    name = models.CharField(max_length=20)
    parent = models.ForeignKey('self', on_delete=models.CASCADE, null=True)
    owner = models.ForeignKey('Person', on_delete=models.CASCADE, null=True)

class Person(models.Model):
    home = models.ForeignKey(Folder, on_delete=models.CASCADE, null=True)
",
    );
    // 1 <- 2 <- 3 (of person 1, whose home is 4) <- ..., 4 <- 5, a ring of 6 and 7 below 5; 9 is apart.
    let folder = |id: i64, parent: Option<i64>, owner: Option<i64>| {
        doc! {"_id": id, "name": format!("f{id}"), "parent_id": parent, "owner_id": owner}
    };
    world.insert(
        "files_folder",
        vec![
            folder(1, None, None),
            folder(2, Some(1), None),
            folder(3, Some(2), None),
            folder(4, None, Some(1)),
            folder(5, Some(4), None),
            folder(6, Some(7), None),
            folder(7, Some(6), None),
            folder(9, None, None),
        ],
    );
    world.insert(
        "files_person",
        vec![
            doc! {"_id": 1_i64, "home_id": 3_i64},
            doc! {"_id": 2_i64, "home_id": 9_i64},
        ],
    );
    let deleted = delete(&world, "Folder.objects.filter(pk=1).delete()");
    assert_eq!(deleted, counts([("files.Folder", 5), ("files.Person", 1)]));
    let deleted = delete(&world, "Folder.objects.filter(pk=6).delete()");
    assert_eq!(deleted, counts([("files.Folder", 2)]));
    assert_eq!(world.keys("files_folder"), [9]);
    assert_eq!(world.keys("files_person"), [2]);
}

/// Django's `on_delete`: `RESTRICT` refuses unless the row goes along anyway, the others set or leave the reference.
#[test]
fn references_follow_on_delete() {
    let world = World::new(
        "
class Room(models.Model):
    pass

class Shelf(models.Model):
    room = models.ForeignKey(Room, on_delete=models.CASCADE)

class Box(models.Model):
    shelf = models.ForeignKey(Shelf, on_delete=models.RESTRICT)
    room = models.ForeignKey(Room, on_delete=models.CASCADE)

class Label(models.Model):
    box = models.ForeignKey(Box, on_delete=models.SET_NULL, null=True)
    spare = models.ForeignKey(Box, on_delete=models.SET(7), null=True, related_name='+')
    first = models.ForeignKey(Box, on_delete=models.SET_DEFAULT, default=8, related_name='+')
    old = models.ForeignKey(Box, on_delete=models.DO_NOTHING, related_name='+')
",
    );
    world.insert("files_room", vec![doc! {"_id": 1_i64}, doc! {"_id": 2_i64}]);
    let shelf = |id: i64, room: i64| doc! {"_id": id, "room_id": room};
    world.insert("files_shelf", vec![shelf(1, 1), shelf(2, 2), shelf(3, 2)]);
    let boxed =
        |id: i64, shelf: i64, room: i64| doc! {"_id": id, "shelf_id": shelf, "room_id": room};
    world.insert(
        "files_box",
        vec![boxed(1, 1, 1), boxed(2, 2, 1), boxed(3, 3, 2)],
    );
    world.insert(
        "files_label",
        vec![doc! {"_id": 1_i64, "box_id": 1_i64, "spare_id": 1_i64, "first_id": 1_i64, "old_id": 1_i64}],
    );

    // The box on the shelf stays, so the shelf stays, and nothing else is touched.
    let refused = delete(&world, "Shelf.objects.filter(pk=1).delete()").unwrap_err();
    assert!(refused.contains("Box.shelf"), "{refused}");
    // Box 2 stands on shelf 2 of room 2 but belongs to room 1: it would stay.
    let refused = delete(&world, "Room.objects.filter(pk=2).delete()").unwrap_err();
    assert!(refused.contains("Box.shelf"), "{refused}");
    assert_eq!(world.keys("files_shelf"), [1, 2, 3]);
    assert_eq!(world.keys("files_box"), [1, 2, 3]);

    // Boxes 1 and 2 go with room 1, so shelf 1 may go.
    let deleted = delete(&world, "Room.objects.filter(pk=1).delete()");
    assert_eq!(
        deleted,
        counts([("files.Box", 2), ("files.Room", 1), ("files.Shelf", 1)])
    );
    let label = all_of(&world.executor, "files_label").remove(0);
    let expected =
        doc! {"_id": 1_i64, "box_id": null, "spare_id": 7_i64, "first_id": 8_i64, "old_id": 1_i64};
    assert_eq!(label, expected);

    // Now nothing stands on shelf 2, and box 3 goes with its room.
    let deleted = delete(&world, "Room.objects.filter(pk=2).delete()");
    assert_eq!(
        deleted,
        counts([("files.Box", 1), ("files.Room", 1), ("files.Shelf", 2)])
    );
}

/// Counted keys go on after the largest one that is there, also if it was stored with a key of its own.
#[test]
fn counted_keys_go_on() {
    let library = Library::load();
    let run = |source: &str| {
        let statement = library.parse(source);
        let compiled = Compiler::new(library.schema.clone())
            .compile(&statement)
            .unwrap();
        match support::wait(library.executor.execute(&compiled)).unwrap() {
            Outcome::Written(written) => written.keys,
            other => panic!("{other:?}"),
        }
    };
    let first = run(r#"Tag.objects.create(name="a")"#);
    run(r#"Tag.objects.create(pk=100, name="b")"#);
    let next =
        run(r#"Tag.objects.bulk_create([Tag(name="c"), Tag(pk=7000, name="d"), Tag(name="e")])"#);
    assert_eq!(first.len(), 1);
    let next: Vec<i64> = next.iter().map(|k| k.as_i64().unwrap()).collect();
    assert_eq!(next, [101, 7000, 102]);
}

/// One update for each document does what Django's `Case()` does: keys that are not there, the same key twice, NULL, and JSON without a
/// value.
#[test]
fn bulk_updates_do_what_choices_do() {
    let models = "
class Item(models.Model):
    name = models.CharField(max_length=20, null=True)
    extra = models.JSONField(null=True)
";
    let rows = r#"[Item(pk=1, name="a"), Item(pk=1, name="b"), Item(pk=2, name=None), Item(pk=9, name="c")]"#;
    let effect = |manager: &str| {
        let world = World::new(models);
        let item = |id: i64| doc! {"_id": id, "name": "old", "extra": {"a": 1}};
        world.insert("files_item", vec![item(1), item(2), item(3)]);
        let source = format!("Item.{manager}.bulk_update({rows}, [\"name\"])");
        let Ok(Outcome::Written(written)) = world.run(&source) else {
            panic!("{source}");
        };
        (written.count, all_of(&world.executor, "files_item"))
    };
    let (count, documents) = effect("objects");
    assert_eq!(count, 2);
    assert_eq!(documents[0].get_str("name").unwrap(), "a");
    assert_eq!((count, documents), effect("objects.filter(pk__gt=0)"));

    let world = World::new(models);
    world.insert(
        "files_item",
        vec![doc! {"_id": 1_i64, "name": "x", "extra": {"a": 1}}],
    );
    world
        .run(r#"Item.objects.bulk_update([Item(pk=1, extra=None)], ["extra", "name"])"#)
        .unwrap();
    let after = all_of(&world.executor, "files_item");
    assert_eq!(after, [doc! {"_id": 1_i64, "name": null}]);
    for (source, message) in [
        (
            "Item.objects.bulk_update([Item(pk=1)], [])",
            "Field names must be given to bulk_update().",
        ),
        (
            r#"Item.objects.bulk_update([Item(name="a")], ["name"])"#,
            "All bulk_update() objects must have a primary key set.",
        ),
        (
            r#"Item.objects.bulk_update([Item(pk=1)], ["id"])"#,
            "bulk_update() cannot be used with primary key fields.",
        ),
        (
            r#"Item.objects.bulk_update([Item(pk=1)], ["wrong"])"#,
            "Item has no field named 'wrong'",
        ),
    ] {
        let error = match text::parse(&world.schema, source, &world.params) {
            Ok(parsed) => world
                .compiler()
                .compile(&parsed.statement.unwrap())
                .unwrap_err(),
            Err(error) => error,
        };
        assert!(error.to_string().contains(message), "{source}: {error}");
    }
    let nothing = world
        .run(r#"Item.objects.bulk_update([], ["name"])"#)
        .unwrap();
    assert_eq!(
        nothing,
        Outcome::Written(mqlc::executors::Written::default())
    );
}
