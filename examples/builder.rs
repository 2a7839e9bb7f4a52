//! The newest long books by authors with "le" in their names, asked for in Rust.

use std::path::Path;

use mqlc::executors::MemoryExecutor;
use mqlc::prelude::*;

/// Compiles a query that is built in Rust, runs it on the embedded engine and writes what came back.
pub fn report(root: &Path) -> Result<String, Box<dyn std::error::Error>> {
    let source = std::fs::read_to_string(root.join("fixtures/schemas/library.py"))?;
    let models = text::parse_models("library", &source)?;
    let compiler = Compiler::new(Schema::new(models.spec)?);

    let books = Query::from("library.Book")
        .filter(f("author__name").icontains("le") & !f("pages").lt(100))
        .order_by([desc("published")])
        .values_list(["title", "author__name", "pages"])
        .slice(..3);
    let compiled = compiler.compile(&books.into())?;

    let executor = MemoryExecutor::load(root.join("fixtures/data/library"))?;
    let rows: Vec<(String, String, i64)> = wait(executor.fetch(&compiled))?;
    let mut report = String::new();
    for (title, author, pages) in rows {
        report.push_str(&format!("{title} by {author}, {pages} pages\n"));
    }

    // What cannot be compiled is refused with a code, a reason and a place.
    let wrong = Query::from("library.Book").filter(f("titel").exact("Emma"));
    if let Err(refusal) = compiler.compile(&wrong.into()) {
        let hint = refusal.hint().unwrap_or_default();
        report.push_str(&format!("{}: {hint}\n", refusal.code().number()));
    }
    Ok(report)
}

/// Any runtime will do; the embedded engine never waits.
fn wait<T>(future: impl Future<Output = T>) -> T {
    futures_executor::block_on(future)
}

#[allow(dead_code)]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    print!("{}", report(Path::new("."))?);
    Ok(())
}
