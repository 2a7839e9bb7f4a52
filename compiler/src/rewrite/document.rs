//! `docs/rules.md`, made from the rules themselves.

use std::fmt::Write;

use super::PHASES;

/// The text of `docs/rules.md`.
#[must_use]
pub fn document() -> String {
    let mut text = String::from(
        "# Rewrite rules\n\n\
         Rules edit the bound plan. They never change which rows a statement has, and their order only where none is\n\
         promised. Any rule can be switched off by its name (`Target::disabled_rules`, `--disable NAME`), `all` switches off\n\
         every rule. This file is generated from the rules; plan text is explained in `architecture.md`.\n\n\
         `mqlc explain QUERY` shows which rules fired for a query, with the lines of the plan that each changed, and then what\n\
         the commands cost: which declared index serves each read and which would, also inside `$lookup`; which conditions no\n\
         index can serve and why; which stages wait for all documents; which call of the queryset each stage is for.\n\
         `mqlc explain --disable NAME QUERY` adds the commands line by line, without the rule and with every rule.\n\
         `--format json` gives all of it to programs, as `Explanation::to_json` and `Comparison::to_json` do.\n",
    );
    for phase in PHASES {
        let _ = write!(text, "\n## {}\n\n{}\n", phase.name, phase.about);
        for rule in phase.rules {
            let (before, after) = rule.example;
            let _ = write!(
                text,
                "\n### `{}`\n\n{}\n\nSound because: {}\n\n```text\n{}\n=> {}\n```\n",
                rule.name,
                rule.does,
                rule.sound,
                before,
                after.replace('\n', "\n   "),
            );
        }
    }
    text
}
