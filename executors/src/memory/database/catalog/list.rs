//! What there is: `listCollections`, `listDatabases`, `collStats`, `dbStats`.
use bson::{Bson, Document as Bdoc, doc};
use indexmap::IndexMap;

use crate::memory::database::Engine;
use crate::memory::database::args::Args;
use crate::memory::database::session::InTransaction;
use crate::memory::error::EngineError;
use crate::memory::expr::{Env, Scope};
use crate::memory::filter::Filter;
use crate::memory::value::{Document, num};

impl Engine {
    pub(in crate::memory::database) fn list_collections(
        &self,
        db: &str,
        args: Args<'_>,
        txn: Option<&InTransaction>,
    ) -> Result<Bdoc, EngineError> {
        let empty = Bdoc::new();
        let filter = Filter::compile(args.document("filter")?.unwrap_or(&empty), &Scope::new())?;
        let names_only = args.flag("nameOnly")?;
        let evaluation = self.inner.evaluation(None);
        let mut env = Env::new(&evaluation);
        let mut out = Vec::new();
        for (_, name, c) in self.read_state(txn).list(Some(db)) {
            let kind = if c.options.view.is_some() {
                "view"
            } else {
                "collection"
            };
            let mut d = doc! {"name": &*name, "type": kind};
            if !names_only {
                d.insert("options", c.options.listed.clone());
                d.insert("info", doc! {"readOnly": c.options.view.is_some()});
                if c.options.view.is_none() {
                    d.insert("idIndex", doc! {"v": 2, "key": {"_id": 1}, "name": "_id_"});
                }
            }
            if filter.matches(Document::from_bson(&d).view(), &mut env)? {
                out.push(Bson::Document(d));
            }
        }
        Ok(
            doc! {"cursor": {"firstBatch": out, "id": 0_i64, "ns": format!("{db}.$cmd.listCollections")}, "ok": 1.0},
        )
    }

    pub(in crate::memory::database) fn list_databases(
        &self,
        args: Args<'_>,
    ) -> Result<Bdoc, EngineError> {
        let mut sizes: IndexMap<String, usize> = IndexMap::new();
        for (db, _, c) in self.inner.state().list(None) {
            *sizes.entry(db.to_string()).or_default() += c.byte_size();
        }
        let names_only = args.flag("nameOnly")?;
        let empty = Bdoc::new();
        let filter = Filter::compile(args.document("filter")?.unwrap_or(&empty), &Scope::new())?;
        let evaluation = self.inner.evaluation(None);
        let mut env = Env::new(&evaluation);
        let (mut out, mut total) = (Vec::new(), 0_usize);
        for (name, size) in sizes {
            let mut d = doc! {"name": name};
            if !names_only {
                d.insert("sizeOnDisk", num::len_i64(size));
                d.insert("empty", size == 0);
            }
            if filter.matches(Document::from_bson(&d).view(), &mut env)? {
                total += size;
                out.push(Bson::Document(d));
            }
        }
        Ok(
            doc! {"databases": out, "totalSize": num::len_i64(total), "totalSizeMb": num::len_i64(total / 1_048_576), "ok": 1.0},
        )
    }

    pub(in crate::memory::database) fn collection_stats(
        &self,
        db: &str,
        args: Args<'_>,
    ) -> Result<Bdoc, EngineError> {
        let name = args.collection()?;
        let state = self.inner.state();
        let mut reply = doc! {"ns": format!("{db}.{name}")};
        let (count, size, indexes) = state
            .get(db, name)
            .map_or((0, 0, 0), |c| (c.len(), c.byte_size(), c.indexes().len()));
        reply.insert("size", num::len_i64(size));
        reply.insert("count", num::len_i64(count));
        if let Some(average) = size.checked_div(count) {
            reply.insert("avgObjSize", num::len_i64(average));
        }
        reply.insert("storageSize", num::len_i64(size));
        reply.insert("nindexes", num::len_i32(indexes));
        reply.insert("ok", 1.0);
        Ok(reply)
    }

    pub(in crate::memory::database) fn database_stats(&self, db: &str) -> Bdoc {
        let (mut collections, mut objects, mut size, mut indexes) = (0_i64, 0, 0, 0);
        for (_, _, c) in self.inner.state().list(Some(db)) {
            collections += 1;
            objects += c.len();
            size += c.byte_size();
            indexes += c.indexes().len();
        }
        doc! {"db": db, "collections": collections, "objects": num::len_i64(objects), "dataSize": num::len_i64(size), "storageSize": num::len_i64(size), "indexes": num::len_i64(indexes), "ok": 1.0}
    }
}
