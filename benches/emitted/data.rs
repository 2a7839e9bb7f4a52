//! The data: generated, the same for every run of a scale.

use bson::{Bson, DateTime, Document, doc, oid::ObjectId};
use mqlc::compiler::schema::Schema;

/// Documents of one insert command.
const BATCH: usize = 5_000;

/// Milliseconds of 2020-01-01.
const START: i64 = 1_577_836_800_000;
const DAY: i64 = 86_400_000;

/// How many rows there are.
#[derive(Debug, Clone, Copy)]
pub struct Sizes {
    pub books: u64,
    pub authors: u64,
    pub publishers: u64,
    pub tags: u64,
    pub customers: u64,
    pub orders: u64,
    pub lines: u64,
    pub reviews: u64,
}

impl Sizes {
    /// Scale 1 has 100,000 books and orders, and 1,000,000 lines.
    pub fn new(scale: f64) -> Self {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // scales are small
        let of = |n: f64, least: u64| ((n * scale) as u64).max(least);
        Sizes {
            books: of(100_000.0, 400),
            authors: of(20_000.0, 100),
            publishers: of(1_000.0, 50),
            tags: 500,
            customers: of(50_000.0, 100),
            orders: of(100_000.0, 200),
            lines: of(1_000_000.0, 2_000),
            reviews: of(200_000.0, 800),
        }
    }
}

/// A small generator of numbers (splitmix64): the data does not depend on a crate's version.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n.max(1)
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// A key from 1 to n.
    fn key(&mut self, n: u64) -> Bson {
        int(1 + self.below(n))
    }

    /// A key that is small more often than large.
    fn skewed(&mut self, n: u64) -> u64 {
        1 + self.below(n).min(self.below(n)).min(self.below(n))
    }

    fn or_null(&mut self, percent: u64, value: impl Into<Bson>) -> Bson {
        if self.chance(percent) {
            Bson::Null
        } else {
            value.into()
        }
    }

    fn key_or_null(&mut self, percent: u64, n: u64) -> Bson {
        let key = self.key(n);
        self.or_null(percent, key)
    }

    fn price_or_null(&mut self, percent: u64, most: u64) -> Bson {
        let price = self.price(most);
        self.or_null(percent, price)
    }

    /// Cents as a number of euros.
    fn price(&mut self, most: u64) -> Bson {
        let cents = u32::try_from(100 + self.below(most * 100)).unwrap_or(100);
        Bson::Double(f64::from(cents) / 100.0)
    }
}

fn signed(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

fn int(n: u64) -> Bson {
    Bson::Int64(signed(n))
}

fn day(n: u64) -> Bson {
    Bson::DateTime(DateTime::from_millis(START + signed(n) * DAY))
}

fn second(n: u64) -> Bson {
    Bson::DateTime(DateTime::from_millis(START + signed(n) * 1000))
}

fn country(n: u64) -> &'static str {
    match n {
        0..40 => "US",
        40..60 => "DE",
        60..75 => "FR",
        75..88 => "JP",
        88..98 => "PL",
        _ => "IS",
    }
}

/// Calls `insert` with batches of the documents of every collection.
pub fn generate(sizes: Sizes, mut insert: impl FnMut(&str, Vec<Document>)) {
    let r = &mut Random(7);
    let years = 5 * 365;
    let mut fill = |name: &str, n: u64, row: &mut dyn FnMut(u64) -> Document| {
        let mut batch = Vec::new();
        for i in 1..=n {
            batch.push(row(i));
            if batch.len() == BATCH {
                insert(name, std::mem::take(&mut batch));
            }
        }
        if !batch.is_empty() {
            insert(name, batch);
        }
    };
    fill("shop_publisher", sizes.publishers, &mut |i| {
        doc! {"_id": int(i), "name": format!("Publisher {i}"), "country": country(r.below(100)), "founded": r.or_null(10, int(1900 + i % 120))}
    });
    fill("shop_author", sizes.authors, &mut |i| {
        let born = day(0).as_datetime().map_or(0, |d| d.timestamp_millis())
            - signed(r.below(30_000)) * DAY;
        doc! {
            "_id": int(i), "name": format!("Author {i}"), "email": format!("author{i}@example.org"), "country": country(r.below(100)),
            "born": r.or_null(10, Bson::DateTime(DateTime::from_millis(born))),
        }
    });
    fill("shop_tag", sizes.tags, &mut |i| {
        doc! {"_id": int(i), "name": format!("tag-{i}")}
    });
    fill("shop_book", sizes.books, &mut |i| {
        let pages = int(20 + r.below(1000));
        let pages = r.or_null(5, pages);
        doc! {
            "_id": int(i), "title": format!("Title {}", r.below(sizes.books)),
            "subtitle": r.or_null(30, format!("about {i}")),
            "isbn": format!("978{i:010}"),
            "author_id": r.key(sizes.authors),
            "editor_id": r.key_or_null(50, sizes.authors),
            "publisher_id": r.key_or_null(5, sizes.publishers),
            "pages": pages,
            "price": r.price(60),
            "rating": r.price_or_null(30, 4),
            "published": day(r.below(years)), "added": second(r.below(years * 86_400)), "in_print": r.chance(80),
        }
    });
    let mut books = Random(11);
    fill("shop_book_tags", sizes.books * 3, &mut |i| {
        // Three tags a book, without repetition: they are from different thirds.
        let (book, third) = ((i - 1) / 3 + 1, (i - 1) % 3);
        let tag = third + 3 * (books.skewed(sizes.tags / 3) - 1) + 1;
        let mut id = [0_u8; 12];
        if let Some(end) = id.get_mut(4..) {
            end.copy_from_slice(&i.to_be_bytes());
        }
        doc! {"_id": ObjectId::from_bytes(id), "book_id": int(book), "tag_id": int(tag)}
    });
    let r = &mut Random(13);
    fill("shop_customer", sizes.customers, &mut |i| {
        doc! {
            "_id": int(i), "name": format!("Customer {i}"), "email": format!("customer{i}@example.org"),
            "city": format!("City {}", r.below(400)), "joined": second(r.below(years * 86_400)),
        }
    });
    fill("shop_order", sizes.orders, &mut |i| {
        let status = match r.below(100) {
            0..60 => "sent",
            60..90 => "paid",
            90..98 => "open",
            _ => "returned",
        };
        // No two orders at one time, so that the newest ones are certain.
        doc! {"_id": int(i), "customer_id": r.key(sizes.customers), "placed": second(i * (years * 86_400 / sizes.orders) + r.below(3)), "status": status}
    });
    fill("shop_line", sizes.lines, &mut |i| {
        doc! {
            "_id": int(i), "order_id": int((i - 1) % sizes.orders + 1), "book_id": r.key(sizes.books),
            "quantity": int(1 + r.below(15)), "unit_price": r.price(60),
        }
    });
    fill("shop_review", sizes.reviews, &mut |i| {
        doc! {
            "_id": int(i), "book_id": r.key(sizes.books), "customer_id": r.key_or_null(10, sizes.customers), "stars": int(1 + r.below(5)),
            "text": r.or_null(40, format!("what I think of it, part {i}")), "created": second(r.below(years * 86_400)),
        }
    });
}

/// The commands that make the indexes which the models declare, as Django's migrations would.
pub fn indexes(schema: &Schema) -> Vec<Document> {
    let mut commands = Vec::new();
    for model in schema.models() {
        let mut indexes = Vec::new();
        for index in &model.indexes {
            let mut key = Document::new();
            for part in &index.keys {
                let column = model
                    .fields
                    .iter()
                    .find(|f| f.name == part.field)
                    .map_or(part.field.as_str(), |f| &*f.column);
                key.insert(column, if part.desc { -1 } else { 1 });
            }
            if key.keys().eq(["_id"]) {
                continue;
            }
            let name = key.keys().cloned().collect::<Vec<_>>().join("_");
            indexes.push(doc! {"key": key, "name": name, "unique": index.unique});
        }
        if !indexes.is_empty() {
            commands.push(doc! {"createIndexes": &*model.collection, "indexes": indexes});
        }
    }
    commands
}
