//! Saving to and loading from a directory: one extended JSON lines file per collection, indexes and options beside it.
//!
//! Every file is written under another name, synced and renamed; the list of collections is renamed last. A crash
//! leaves the state that was saved before, or the new one.
use std::fs::{self, File};
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use bson::{Bson, Document as Bdoc, doc};

use super::Engine;
use super::args::Args;
use super::catalog::add_index;
use crate::memory::error::{Code, EngineError};
use crate::memory::storage::{Collection, CollectionOptions, IndexSpec, State};
use crate::memory::value::Document;

/// The list of what a directory holds.
const CATALOG: &str = "catalog.json";

fn failed(what: &str, path: &Path, e: impl std::fmt::Display) -> EngineError {
    EngineError::new(
        Code::OperationFailed,
        format!("cannot {what} {}: {e}", path.display()),
    )
}

/// Names become file names: what is not plain is written in hexadecimal.
fn file_name(db: &str, name: &str, generation: u64) -> String {
    let plain = |s: &str| -> String {
        s.bytes()
            .map(|b| match b {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'-' => char::from(b).to_string(),
                other => format!("%{other:02x}"),
            })
            .collect()
    };
    format!("{}.{}.{generation}.jsonl", plain(db), plain(name))
}

/// Writes a file under another name, syncs it, and gives it its name.
fn write_file(
    path: &Path,
    f: impl FnOnce(&mut BufWriter<File>) -> std::io::Result<()>,
) -> Result<(), EngineError> {
    let temporary = path.with_extension("tmp");
    let write = || -> std::io::Result<()> {
        let mut out = BufWriter::new(File::create(&temporary)?);
        f(&mut out)?;
        out.flush()?;
        out.get_ref().sync_all()?;
        fs::rename(&temporary, path)
    };
    write().map_err(|e| failed("write", path, e))
}

fn sync_dir(dir: &Path) {
    // Not every system can sync a directory; the files themselves are synced.
    if let Ok(d) = File::open(dir) {
        let _best_effort = d.sync_all();
    }
}

fn read_catalog(dir: &Path) -> Result<Option<Bdoc>, EngineError> {
    let path = dir.join(CATALOG);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(failed("read", &path, e)),
    };
    parse(&text).map(Some).map_err(|e| failed("read", &path, e))
}

fn parse(line: &str) -> Result<Bdoc, String> {
    let json: serde_json::Value = serde_json::from_str(line).map_err(|e| e.to_string())?;
    match super::ejson::from_json(&json)? {
        Bson::Document(d) => Ok(d),
        _ => Err("not a document".to_owned()),
    }
}

/// Lines that are parsed at a time.
const BATCH: usize = 16_384;

/// Calls `f` with the BSON of every document of a file, in its order. Lines are parsed on all cores.
fn read_documents(
    path: &Path,
    mut f: impl FnMut(&[u8]) -> Result<(), EngineError>,
) -> Result<(), EngineError> {
    let file = File::open(path).map_err(|e| failed("open", path, e))?;
    let workers = thread::available_parallelism().map_or(1, usize::from);
    let mut lines = (1_u64..).zip(BufReader::new(file).lines());
    loop {
        let mut batch = Vec::new();
        let mut ended = true;
        for (number, line) in lines.by_ref().take(BATCH) {
            ended = false;
            let line = line.map_err(|e| failed("read", path, e))?;
            if !line.trim().is_empty() {
                batch.push((number, line));
            }
        }
        if ended {
            return Ok(());
        }
        if batch.is_empty() {
            continue; // blank lines only
        }
        let parsed = thread::scope(|scope| {
            let parts: Vec<_> = batch
                .chunks(batch.len().div_ceil(workers))
                .map(|part| scope.spawn(|| encode(part)))
                .collect();
            parts
                .into_iter()
                .map(|part| part.join().unwrap_or_else(|_| Err("a line".to_owned())))
                .collect::<Result<Vec<_>, _>>()
        })
        .map_err(|e| failed("read", path, e))?;
        parsed.iter().flatten().try_for_each(|bytes| f(bytes))?;
    }
}

/// Lines as BSON; of one that is no document its number and why.
fn encode(lines: &[(u64, String)]) -> Result<Vec<Vec<u8>>, String> {
    let encoded = lines.iter().map(|(number, line)| {
        let bytes = parse(line).and_then(|d| d.to_vec().map_err(|e| e.to_string()));
        bytes.map_err(|e| format!("line {number}: {e}"))
    });
    encoded.collect()
}

fn text(d: Bdoc) -> String {
    Bson::Document(d).into_canonical_extjson().to_string()
}

impl Engine {
    /// Saves all databases into a directory, which is made if it is not there.
    ///
    /// # Errors
    /// `OperationFailed` when the file system fails; what was saved before is still whole then.
    pub fn save(&self, dir: impl AsRef<Path>) -> Result<(), EngineError> {
        let _alone = super::locked(&self.inner.saving);
        let dir = dir.as_ref();
        fs::create_dir_all(dir).map_err(|e| failed("make", dir, e))?;
        let old = read_catalog(dir)?;
        let generation = old
            .as_ref()
            .and_then(|c| c.get_i64("generation").ok())
            .and_then(|n| u64::try_from(n).ok())
            .unwrap_or(0)
            + 1;
        let mut listed = Vec::new();
        for (db, name, c) in self.inner.state().list(None) {
            let file = file_name(&db, &name, generation);
            write_file(&dir.join(&file), |out| {
                let mut cursor = c.cursor();
                while let Some((_, raw)) = cursor.forward() {
                    let doc = Document::from_raw(raw.clone()).to_bson();
                    writeln!(out, "{}", text(doc))?;
                }
                Ok(())
            })?;
            let indexes: Vec<Bson> = c
                .indexes()
                .iter()
                .skip(1)
                .map(|i| Bson::Document(i.spec.listed.clone()))
                .collect();
            listed.push(Bson::Document(doc! {"db": &*db, "name": &*name, "file": file, "options": c.options.listed.clone(), "indexes": indexes}));
        }
        sync_dir(dir);
        let catalog = doc! {"generation": i64::try_from(generation).unwrap_or(i64::MAX), "collections": listed};
        write_file(&dir.join(CATALOG), |out| writeln!(out, "{}", text(catalog)))?;
        sync_dir(dir);
        // Only now is the old generation of no use.
        for c in old
            .iter()
            .filter_map(|c| c.get_array("collections").ok())
            .flatten()
        {
            if let Some(file) = c.as_document().and_then(|d| d.get_str("file").ok()) {
                let _best_effort = fs::remove_file(dir.join(file));
            }
        }
        Ok(())
    }

    /// Loads what [`Engine::save`] wrote, in place of everything in memory. Without a catalog, every `*.jsonl` file is
    /// a collection of the database `test`, named like the file.
    ///
    /// # Errors
    /// `OperationFailed` for what cannot be read; nothing is changed then.
    pub fn load(&self, dir: impl AsRef<Path>) -> Result<(), EngineError> {
        let dir = dir.as_ref();
        let mut state = State::default();
        let listed = match read_catalog(dir)? {
            Some(catalog) => catalog
                .get_array("collections")
                .cloned()
                .unwrap_or_default(),
            None => plain_files(dir)?,
        };
        for entry in listed {
            let Bson::Document(d) = entry else { continue };
            let broken = || failed("read", &dir.join(CATALOG), "malformed catalog");
            let (Ok(db), Ok(name), Ok(file)) =
                (d.get_str("db"), d.get_str("name"), d.get_str("file"))
            else {
                return Err(broken());
            };
            let options = d.get_document("options").cloned().unwrap_or_default();
            let options = CollectionOptions::parse(Args::new("create", &options))?;
            let mut c = Collection::new(&format!("{db}.{name}"), options);
            let path = dir.join(file);
            read_documents(&path, |bytes| {
                c.insert(
                    self.inner.next_record(),
                    crate::memory::value::Buffer::from(bytes),
                )
            })?;
            for spec in d.get_array("indexes").into_iter().flatten() {
                let Bson::Document(spec) = spec else {
                    return Err(broken());
                };
                let spec = IndexSpec::parse(spec, c.options.collation.as_ref())?;
                add_index(&mut c, spec)?;
            }
            state.put(db, name, Arc::new(c));
        }
        let mut writing = self.writing(None);
        *writing.state_mut() = state;
        self.done(writing);
        Ok(())
    }
}

fn plain_files(dir: &Path) -> Result<Vec<Bson>, EngineError> {
    let mut files: Vec<PathBuf> = fs::read_dir(dir)
        .map_err(|e| failed("read", dir, e))?
        .filter_map(|f| f.ok().map(|f| f.path()))
        .filter(|p| p.extension().is_some_and(|e| e == "jsonl"))
        .collect();
    files.sort();
    let entry = |p: &PathBuf| {
        let (stem, file) = (p.file_stem()?.to_str()?, p.file_name()?.to_str()?);
        Some(Bson::Document(
            doc! {"db": "test", "name": stem, "file": file},
        ))
    };
    Ok(files.iter().filter_map(entry).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write as _;

    /// Several batches come back in the order of the file; blank lines are no documents, and a broken line is named.
    #[test]
    fn lines_keep_their_order() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("numbers.jsonl");
        let count = i64::try_from(BATCH).unwrap() * 2 + 7;
        let mut text = String::new();
        for n in 0..count {
            writeln!(text, "{{\"n\": {{\"$numberLong\": \"{n}\"}}}}").unwrap();
            if n % 1000 == 0 {
                text.push('\n');
            }
        }
        text.push_str(&"\n".repeat(BATCH * 2));
        text.push_str("{\"n\": ");
        fs::write(&path, &text).unwrap();
        let mut next = 0;
        let error = read_documents(&path, |bytes| {
            let document = Bdoc::from_reader(bytes).unwrap();
            assert_eq!(document.get_i64("n").unwrap(), next);
            next += 1;
            Ok(())
        })
        .unwrap_err();
        assert_eq!(next, count);
        let line = format!("line {}:", text.lines().count());
        assert!(error.to_string().contains(&line), "{error}");
    }
}
