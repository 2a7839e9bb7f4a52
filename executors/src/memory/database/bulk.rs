//! `bulkWrite` (MongoDB 8.0): inserts, updates and deletes over several collections in one command.
use bson::{Bson, Document as Bdoc, doc};

use super::Engine;
use super::args::Args;
use super::session::InTransaction;
use super::statement::UpdateStatement;
use super::write::insert_one;
use super::writing::Writing;
use crate::memory::error::{Code, EngineError};

#[derive(Default)]
struct Totals {
    inserted: i32,
    matched: i32,
    modified: i32,
    upserted: i32,
    deleted: i32,
}

fn int(n: usize) -> i32 {
    i32::try_from(n).unwrap_or(i32::MAX)
}

impl Engine {
    pub(super) fn bulk_write(
        &self,
        args: Args<'_>,
        txn: Option<&InTransaction>,
    ) -> Result<Bdoc, EngineError> {
        args.only(&["ops", "nsInfo", "ordered", "errorsOnly", "cursor"])?;
        let ops = args.array("ops")?.ok_or_else(|| args.missing("ops"))?;
        let infos = args
            .array("nsInfo")?
            .ok_or_else(|| args.missing("nsInfo"))?;
        let mut namespaces = Vec::with_capacity(infos.len());
        for info in infos {
            let ns = match info {
                Bson::Document(d) => d.get_str("ns").unwrap_or_default(),
                _ => "",
            };
            let Some((db, name)) = ns.split_once('.') else {
                return Err(EngineError::new(
                    Code::InvalidNamespace,
                    format!("Invalid namespace specified for bulkWrite: '{ns}'"),
                ));
            };
            namespaces.push((db.to_owned(), name.to_owned()));
        }
        let ordered = args.get("ordered").is_none() || args.flag("ordered")?;
        let errors_only = args.flag("errorsOnly")?;
        let lets = args.document("let")?;
        let mut totals = Totals::default();
        let mut results: Vec<(usize, Bdoc)> = Vec::new();
        let errors = self.statements(args, txn, ordered, ops, |writing, i, op| {
            let Bson::Document(op) = op else {
                return Err(EngineError::type_mismatch(
                    "BSON field 'bulkWrite.ops' must hold objects",
                ));
            };
            let result = self.bulk_one(writing, op, &namespaces, lets, &mut totals)?;
            if !errors_only {
                let mut shown = doc! {"ok": 1.0, "idx": int(i)};
                shown.extend(result);
                results.push((i, shown));
            }
            Ok(())
        })?;
        let failed = int(errors.len());
        for error in errors {
            let Bson::Document(mut e) = error else {
                continue;
            };
            let index = e.remove("index").and_then(|v| v.as_i32()).unwrap_or(0);
            let mut shown = doc! {"ok": 0.0, "idx": index, "n": 0};
            shown.extend(e);
            results.push((usize::try_from(index).unwrap_or(0), shown));
        }
        results.sort_by_key(|(i, _)| *i);
        let batch: Vec<Bson> = results
            .into_iter()
            .map(|(_, d)| Bson::Document(d))
            .collect();
        Ok(doc! {
            "cursor": {"id": 0_i64, "firstBatch": batch, "ns": "admin.$cmd.bulkWrite"},
            "nErrors": failed, "nInserted": totals.inserted, "nMatched": totals.matched, "nModified": totals.modified,
            "nUpserted": totals.upserted, "nDeleted": totals.deleted, "ok": 1.0,
        })
    }

    fn bulk_one(
        &self,
        writing: &mut Writing<'_>,
        op: &Bdoc,
        namespaces: &[(String, String)],
        lets: Option<&Bdoc>,
        totals: &mut Totals,
    ) -> Result<Bdoc, EngineError> {
        let kind = op.keys().next().map_or("", String::as_str);
        let args = Args::new("bulkWrite.ops", op);
        let at = args.count(kind)?.unwrap_or(usize::MAX);
        let Some((db, name)) = namespaces.get(at) else {
            return Err(EngineError::bad_value(format!(
                "BulkWrite ops entry has an invalid nsInfo index {at}"
            )));
        };
        let default = writing
            .collection(db, name)
            .and_then(|c| c.options.collation.clone());
        match kind {
            "insert" => {
                let Some(d) = args.document("document")? else {
                    return Err(EngineError::location(
                        40414,
                        "BSON field 'insert.document' is missing but a required field",
                    ));
                };
                writing.ensure(db, name)?;
                insert_one(writing, db, name, d)?;
                totals.inserted += 1;
                Ok(doc! {"n": 1})
            }
            "update" => {
                let multi = args.flag("multi")?;
                let statement = UpdateStatement::compile(
                    args,
                    ["filter", "updateMods"],
                    lets,
                    multi,
                    default.as_ref(),
                )?;
                let done = statement.run(writing, self, db, name)?;
                totals.matched += int(done.matched);
                totals.modified += int(done.modified);
                let mut shown = doc! {"n": int(done.matched + usize::from(done.upserted.is_some())), "nModified": int(done.modified)};
                if let Some(id) = done.upserted {
                    totals.upserted += 1;
                    shown.insert("upserted", doc! {"_id": id.to_bson()});
                }
                Ok(shown)
            }
            "delete" => {
                let limit = if args.flag("multi")? { usize::MAX } else { 1 };
                let gone =
                    self.delete_matching(writing, db, name, args, lets, limit, default.as_ref())?;
                totals.deleted += int(gone.len());
                Ok(doc! {"n": int(gone.len())})
            }
            other => Err(EngineError::location(
                40415,
                format!("BSON field 'bulkWrite.ops.{other}' is an unknown field."),
            )),
        }
    }
}
