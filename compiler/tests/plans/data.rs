//! Random documents, rich in nulls and missing keys, that keep the schema's promises: unique values are unique and
//! columns that cannot be NULL are there.

use bson::{Bson, DateTime, Document, doc};

use super::Data;

/// A small generator of random numbers, the same everywhere.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) % sides.max(1)
    }

    pub fn below(&mut self, n: i64) -> i64 {
        i64::try_from(self.roll(n.unsigned_abs())).expect("small")
    }

    fn pick<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[usize::try_from(self.roll(of.len() as u64)).expect("small")]
    }
}

/// A key with a value, with null, or not at all.
fn maybe(dice: &mut Dice, document: &mut Document, key: &str, value: impl Into<Bson>) {
    match dice.roll(4) {
        0 => {}
        1 => {
            document.insert(key, Bson::Null);
        }
        _ => {
            document.insert(key, value);
        }
    }
}

fn date(dice: &mut Dice) -> DateTime {
    // Around the turn of 2023, one day and an hour apart.
    DateTime::from_millis(1_672_444_800_000 + dice.below(40) * 90_000_000 - 1_000_000_000)
}

/// Documents of the library.
pub fn data(seed: u64) -> Data {
    let mut dice = Dice::new(seed);
    let mut data = Data::new();
    let authors = dice.below(6);
    let books = dice.below(9);
    let tags = dice.below(4);
    let mut rows = Vec::new();
    for id in 0..authors {
        let mut d = doc! {"_id": id, "name": dice.pick(&["a", "b", "A", ""])};
        let country = dice.pick(&["fr", "de"]);
        maybe(&mut dice, &mut d, "country", country);
        let born = date(&mut dice);
        maybe(&mut dice, &mut d, "born", born);
        // Keys may lead nowhere: MongoDB has no foreign key constraints.
        let mentor = dice.below(7);
        maybe(&mut dice, &mut d, "mentor_id", mentor);
        rows.push(d);
    }
    data.insert("Author".into(), rows);
    let mut rows = Vec::new();
    for id in 0..books {
        let mut d = doc! {
            "_id": id, "title": dice.pick(&["a", "b", "c"]), "read": dice.roll(2) == 0, "author_id": dice.below(7),
        };
        let pages = dice.below(6);
        maybe(&mut dice, &mut d, "pages", pages);
        let price = [0.5, 1.0, 2.5, f64::NAN][usize::try_from(dice.roll(4)).expect("small")];
        maybe(&mut dice, &mut d, "price", price);
        let published = date(&mut dice);
        maybe(&mut dice, &mut d, "published", published);
        let editor = dice.below(7);
        maybe(&mut dice, &mut d, "editor_id", editor);
        maybe(&mut dice, &mut d, "isbn", format!("i{id}"));
        let json: Bson = match dice.roll(4) {
            0 => Bson::Int64(1),
            1 => "1".into(),
            2 => doc! {"k": dice.below(3)}.into(),
            _ => vec![Bson::Int64(1), Bson::Null].into(),
        };
        maybe(&mut dice, &mut d, "data", json);
        let marks: Vec<Bson> = (0..dice.below(3)).map(Bson::Int64).collect();
        maybe(&mut dice, &mut d, "marks", marks);
        rows.push(d);
    }
    data.insert("Book".into(), rows);
    data.insert(
        "Tag".into(),
        (0..tags)
            .map(|id| doc! {"_id": id, "name": format!("t{id}")})
            .collect(),
    );
    let mut rows = Vec::new();
    for book in 0..books + 1 {
        for tag in 0..tags + 1 {
            if dice.roll(3) == 0 {
                rows.push(doc! {"_id": rows.len() as i64, "book_id": book, "tag_id": tag});
            }
        }
    }
    data.insert("BookTag".into(), rows);
    data
}
