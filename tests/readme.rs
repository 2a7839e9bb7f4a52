//! What the documentation shows is what happens: the commands of every `console` block of README.md and docs/*.md are run
//! with the built tool, and their output must be what stands there. `UPDATE=1` writes the outputs anew.
//!
//! In a block a line that starts with `$ ` is a command of the shell (lines that start with `> ` continue it), the lines
//! after it are its output, standard error included. `export NAME=VALUE` and `$?` hold until the end of the page.
// Tests may stop where they fail.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]
#![cfg(unix)]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

#[path = "../examples/builder.rs"]
mod builder;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn the_readme_prints_what_it_says() {
    check(&root().join("README.md"), 8);
    the_builder_example_is_an_example();
}

#[test]
fn the_documents_print_what_they_say() {
    let mut pages: Vec<PathBuf> = std::fs::read_dir(root().join("docs"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "md"))
        .collect();
    pages.sort();
    assert!(pages.len() > 4);
    for page in pages {
        check(&page, 0);
    }
}

/// The Rust of the README is `examples/builder.rs`, and it prints what the README says.
fn the_builder_example_is_an_example() {
    let path = root().join("README.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let example = std::fs::read_to_string(root().join("examples/builder.rs")).unwrap();
    let written = fill(&page, "```rust\n", &example);
    let written = fill(&written, "```text\n", &builder::report(root()).unwrap());
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &written).unwrap();
    } else {
        assert_eq!(page, written, "run this test with UPDATE=1");
    }
}

/// The page with other lines in its first block of a language.
fn fill(page: &str, fence: &str, lines: &str) -> String {
    let (before, rest) = page.split_once(fence).expect("the README has an example");
    let end = rest.find("```").unwrap();
    format!("{before}{fence}{lines}{}", &rest[end..])
}

/// Links to files of this repository lead somewhere.
#[test]
fn links_lead_somewhere() {
    let mut pages = vec![root().join("README.md")];
    for entry in std::fs::read_dir(root().join("docs")).unwrap() {
        pages.push(entry.unwrap().path());
    }
    for page in pages {
        let text = std::fs::read_to_string(&page).unwrap();
        for link in text.split("](").skip(1) {
            let Some((link, _)) = link.split_once(')') else {
                continue;
            };
            let file = link.split('#').next().unwrap_or_default();
            if file.is_empty() || file.contains("://") || file.contains(' ') {
                continue;
            }
            let target = page.parent().unwrap().join(file);
            assert!(target.exists(), "{}: {link} leads nowhere", page.display());
        }
    }
}

fn check(page: &Path, at_least: usize) {
    let text = std::fs::read_to_string(page).unwrap();
    let mut shell = Shell::default();
    let mut written = String::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        written.push_str(line);
        written.push('\n');
        if line != "```console" {
            continue;
        }
        while let Some(line) = lines.next_if(|line| *line != "```") {
            let Some(command) = line.strip_prefix("$ ") else {
                continue; // output of the last run: it is written anew
            };
            written.push_str(line);
            written.push('\n');
            let mut command = command.to_owned();
            while let Some(more) = lines.next_if(|line| line.starts_with("> ")) {
                written.push_str(more);
                written.push('\n');
                command.push('\n');
                command.push_str(&more[2..]);
            }
            written.push_str(&shell.run(&command));
        }
    }
    assert!(
        shell.runs >= at_least,
        "{} shows too few commands",
        page.display()
    );
    if written == text {
        return;
    }
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(page, written).unwrap();
        return;
    }
    let (number, (shown, printed)) = text
        .lines()
        .zip(written.lines())
        .enumerate()
        .find(|(_, (a, b))| a != b)
        .unwrap_or((0, ("", "more or fewer lines")));
    panic!(
        "{}, line {}: shows\n  {shown}\nbut prints\n  {printed}\n(run this test with UPDATE=1 and look at the changes)",
        page.display(),
        number + 1
    );
}

/// A shell that keeps variables and the last exit code.
#[derive(Default)]
struct Shell {
    exports: Vec<String>,
    last: i32,
    runs: usize,
}

impl Shell {
    fn run(&mut self, command: &str) -> String {
        if command.starts_with("export ") {
            self.exports.push(command.to_owned());
            return String::new();
        }
        self.runs += 1;
        let tool = Path::new(env!("CARGO_BIN_EXE_mqlc")).parent().unwrap();
        let path = std::env::var("PATH").unwrap_or_default();
        let script = format!(
            "exec 2>&1\n{}\n(exit {})\n{command}",
            self.exports.join("\n"),
            self.last
        );
        let output = Command::new("sh")
            .arg("-c")
            .arg(script)
            .env("PATH", format!("{}:{path}", tool.display()))
            .env_remove("MQLC_SCHEMA")
            .env_remove("MQLC_DATA")
            .env_remove("MQLC_URI")
            .env_remove("COLUMNS")
            .current_dir(root())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        self.last = output.status.code().unwrap_or(-1);
        let mut text = String::from_utf8(output.stdout).unwrap();
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        // Blanks at the end of a line cannot be seen in a document.
        text.lines()
            .map(|line| format!("{}\n", line.trim_end()))
            .collect()
    }
}
