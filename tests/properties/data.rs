//! Random documents for any schema: rich in nulls, missing keys, equal values and keys that lead nowhere, but keeping what
//! the schema promises (uniqueness, types, columns that are never NULL).

use std::collections::HashMap;

use bson::{Bson, DateTime, Document, doc};
use mqlc::compiler::names::Name;
use mqlc::compiler::schema::{Field, FieldType, Schema, StorageFamily as S};

use super::dice::Dice;
use super::interpret::Data;
use super::texts::{HOSTILE, TEXTS};

/// From this seed on every key leads to a document.
pub const SOUND: u64 = 1000;

/// Documents of all collections.
pub fn data(schema: &Schema, seed: u64) -> Data {
    let mut dice = Dice::new(seed);
    let mut data = Data::new();
    let mut keys: HashMap<String, Vec<Bson>> = HashMap::new();
    // Parents before children, and models before what links them.
    let mut models: Vec<_> = schema
        .models()
        .iter()
        .filter(|m| m.concrete == m.id && !m.embedded)
        .collect();
    models.sort_by_key(|m| {
        let links = m
            .fields
            .iter()
            .filter(|f| f.is_concrete() && f.to.is_some());
        (
            m.fields.iter().any(|f| f.primary_key && f.to.is_some()),
            links.count(),
        )
    });
    for model in models {
        let mut documents: Vec<Document> = Vec::new();
        let n = match seed {
            0 => 2,
            _ => dice.roll(8),
        };
        let own: Vec<&Field> = model.fields.iter().filter(|f| f.is_concrete()).collect();
        'rows: for row in 1..=n {
            let mut document = Document::new();
            for field in &own {
                let id = i64::try_from(row).expect("small");
                let value = if let Some(to) = field.to {
                    let to = &schema.model(to).expect("a model").collection;
                    // One in eight keys leads nowhere: MongoDB does not look after them.
                    let known = keys.get(&**to).filter(|k| !k.is_empty());
                    match known {
                        Some(known) if field.primary_key || seed >= SOUND || dice.roll(8) > 0 => {
                            known[dice.below(known.len())].clone()
                        }
                        _ if field.primary_key || seed >= SOUND && !field.null() => continue 'rows,
                        _ if seed >= SOUND => Bson::Null,
                        _ => Bson::Int64(i64::try_from(1 + dice.roll(8)).expect("small")),
                    }
                } else if field.primary_key {
                    Bson::Int64(id)
                } else if field.unique {
                    Bson::String(format!("{}{id}", ["a", "b", "A", "$"][dice.below(4)]))
                } else {
                    value(schema, &field.ty, &mut dice)
                };
                let mut dice_null = if field.null() { dice.roll(4) } else { 9 };
                if field.ty.kind.family() == S::Json && dice_null == 1 {
                    // A stored null is JSON's; no value is a missing key.
                    dice_null = dice.roll(2);
                }
                match dice_null {
                    0 => {}
                    1 => {
                        document.insert(&field.column, Bson::Null);
                    }
                    _ => {
                        document.insert(&field.column, value);
                    }
                }
            }
            if fits(schema, model, &documents, &document) {
                documents.push(document);
            }
        }
        let ids = documents.iter().filter_map(|d| d.get("_id").cloned());
        keys.insert(model.collection.to_string(), ids.collect());
        data.insert(model.collection.to_string(), documents);
    }
    data
}

/// Whether a document leaves unique what must be.
fn fits(
    schema: &Schema,
    model: &mqlc::compiler::schema::Model,
    documents: &[Document],
    document: &Document,
) -> bool {
    let unique = model
        .fields
        .iter()
        .filter(|f| f.is_concrete() && (f.unique || f.primary_key))
        .map(|f| vec![f.column.clone()]);
    let together = model.unique_together.iter().map(|set| {
        let column = |f| schema.field(f).expect("a field").column.clone();
        set.iter().map(|f| column(*f)).collect()
    });
    unique.chain(together).all(|columns: Vec<Name>| {
        documents.iter().all(|d| {
            !columns.iter().all(|c| {
                let value = document.get(c).unwrap_or(&Bson::Null);
                *value != Bson::Null && d.get(c) == Some(value)
            })
        })
    })
}

/// A text; one in six would do harm if it were read as anything else.
fn text(dice: &mut Dice) -> &'static str {
    let texts = if dice.roll(6) == 0 { &HOSTILE } else { &TEXTS };
    texts[dice.below(texts.len())]
}

/// An instant near the turn of a year, where zones disagree on the date; no clock changes there.
fn moment(dice: &mut Dice) -> i64 {
    // 2023-12-31T18:00:00Z and steps of three hours, some half an hour off.
    1_704_045_600_000
        + i64::try_from(dice.roll(9)).expect("small") * 10_800_000
        + i64::try_from(dice.roll(2)).expect("small") * 1_830_000
        + [0, -31_536_000_000, 7_776_000_000][dice.below(3)]
}

fn value(schema: &Schema, ty: &FieldType, dice: &mut Dice) -> Bson {
    let small = |dice: &mut Dice, n| i64::try_from(dice.roll(n)).expect("small");
    match ty.kind.family() {
        S::Int => Bson::Int32(i32::try_from(small(dice, 6)).expect("small") - 1),
        S::Long => Bson::Int64(small(dice, 6) - 1),
        S::Double => Bson::Double([0.0, 0.5, 1.0, 2.25, -1.5, 3.0][dice.below(6)]),
        S::Decimal => {
            let text = ["0.00", "1.50", "2.00", "0.10", "-1.25", "99.99"][dice.below(6)];
            Bson::Decimal128(text.parse().expect("a decimal"))
        }
        S::Text => text(dice).into(),
        S::Bool => (dice.roll(2) == 0).into(),
        S::Date => {
            let day = (moment(dice)).div_euclid(86_400_000) * 86_400_000;
            DateTime::from_millis(day).into()
        }
        S::DateTime => DateTime::from_millis(moment(dice)).into(),
        S::Time => {
            let hour = small(dice, 24);
            DateTime::from_millis(-62_135_596_800_000 + hour * 3_600_000).into()
        }
        S::Duration => Bson::Int64(small(dice, 4) * 5_400_000),
        S::Uuid => format!("{:032x}", dice.roll(4)).into(),
        S::Array => {
            let base = ty.base.as_deref().expect("an element");
            let n = dice.roll(4);
            let items = (0..n).map(|_| match dice.roll(5) {
                0 if base.null => Bson::Null,
                _ => value(schema, base, dice),
            });
            Bson::Array(items.collect())
        }
        S::Json => match dice.roll(9) {
            7 => doc! {"$gt": 1_i64, "a.b": text(dice)}.into(),
            8 => text(dice).into(),
            0 => Bson::Int64(1),
            1 => "a".into(),
            2 => doc! {"k": small(dice, 3)}.into(),
            3 => doc! {"k": null}.into(),
            4 => doc! {"k": text(dice), "j": true}.into(),
            5 => doc! {"l": [1_i64, "a", null], "k": {"k": small(dice, 2)}}.into(),
            _ => vec![Bson::Int64(1), "a".into(), Bson::Null].into(),
        },
        S::Embedded => embedded(schema, ty, dice).into(),
        S::EmbeddedArray => {
            let items = (0..dice.roll(4)).map(|_| embedded(schema, ty, dice).into());
            Bson::Array(items.collect())
        }
        other => panic!("no data for {other:?}"),
    }
}

/// A document of the embedded model.
fn embedded(schema: &Schema, ty: &FieldType, dice: &mut Dice) -> Document {
    let mut document = Document::new();
    for field in &schema.find(&ty.models[0]).expect("a model").fields {
        match dice.roll(5) {
            0 => {}
            1 => {
                document.insert(&field.column, Bson::Null);
            }
            _ => {
                document.insert(&field.column, value(schema, &field.ty, dice));
            }
        }
    }
    document
}
