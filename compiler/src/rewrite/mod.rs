//! Rewrites: the same rows for less work.
//!
//! A [`Rule`] is one file: a name, what it does, why it is sound, an example, a function that edits the plan in place,
//! and tests that show it firing and not firing. [`PHASES`] is the order in which they run. A phase repeats
//! until nothing changes, within its fuel. Rules never change rows; the order of rows only where no order is promised.
//!
//! | file | holds |
//! |---|---|
//! | `walk` | walks over all conditions, values and queries of a plan |
//! | `literal` | comparison of literals |
//! | `survey` | what a plan is made of, which says which rules can fire |
//! | `block` | scans with joins and filters, whose order may change; how selective conditions are |
//! | `document` | `docs/rules.md` |
//! | all others | a rule each, by its name |

mod block;
mod document;
mod literal;
mod survey;
mod walk;

mod aggregate_per_row;
mod alternatives;
mod anti_join;
mod constant_folding;
mod constant_keys;
mod count_distinct;
mod count_forms;
mod date_ranges;
mod dead_columns;
mod dead_join;
mod distinct;
mod distinct_to_exists;
mod driving_collection;
mod driving_subquery;
mod early_slice;
mod first_row;
mod flatten;
mod group_all;
mod group_before_join;
mod group_by_key;
mod group_first;
mod in_list;
mod left_to_inner;
mod literal_right;
mod negation;
mod nothing;
mod null_guards;
mod or_to_in;
mod partial_groups;
mod push_filter;
mod ranges;
mod semi_join;
mod shared_aggregate_filter;
mod slices;
mod subsumption;
mod sum_of_nothing;
mod union_columns;
mod useless_sort;

pub use document::document;

use crate::error::{Error, Result};
use crate::plan::{self, Plan};
use crate::schema::Schema;
use crate::target::Target;
use crate::trace::Trace;
use survey::Kinds;

/// One rewrite.
#[derive(Clone, Copy)]
pub struct Rule {
    /// Name, for explain and to switch it off.
    pub name: &'static str,
    /// What it does, in a sentence.
    pub does: &'static str,
    /// Why rows stay the same: under which conditions.
    pub sound: &'static str,
    /// Before and after.
    pub example: (&'static str, &'static str),
    /// It can only fire on plans with one kind of each of these sets.
    needs: [Kinds; 2],
    apply: fn(&mut Plan, &Context<'_>) -> Result<bool>,
}

impl Rule {
    /// Whether it can fire on a plan that is made of these.
    fn can_fire(&self, kinds: Kinds) -> bool {
        let [one, other] = self.needs;
        one.meets(kinds) && other.meets(kinds)
    }
}

/// What rules may look at beside the plan.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// The schema: uniqueness, declared indexes.
    pub schema: &'a Schema,
    /// The server.
    pub target: &'a Target,
    /// What the plan is made of.
    kinds: Kinds,
}

/// An ordered group of rules.
pub struct Phase {
    /// Name.
    pub name: &'static str,
    /// What it is for.
    pub about: &'static str,
    /// Its rules in order.
    pub rules: &'static [Rule],
    /// How often the rules run at most.
    fuel: u8,
}

/// Every rule in the order in which it runs.
pub static PHASES: &[Phase] = &[
    Phase {
        name: "simplify",
        about: "Conditions become short and canonical, so that later rules and lowering see their structure.",
        rules: &[
            flatten::RULE,
            constant_folding::RULE,
            negation::RULE,
            literal_right::RULE,
            or_to_in::RULE,
            in_list::RULE,
            date_ranges::RULE,
            ranges::RULE,
            null_guards::RULE,
            subsumption::RULE,
            nothing::RULE,
        ],
        fuel: 16,
    },
    Phase {
        name: "restructure",
        about: "Operators change places and kinds: conditions early, joins late or not at all.",
        rules: &[
            left_to_inner::RULE,
            anti_join::RULE,
            push_filter::RULE,
            semi_join::RULE,
            alternatives::RULE,
            driving_collection::RULE,
            driving_subquery::RULE,
            distinct_to_exists::RULE,
            distinct::RULE,
            group_by_key::RULE,
            constant_keys::RULE,
            shared_aggregate_filter::RULE,
            first_row::RULE,
            group_first::RULE,
            group_all::RULE,
            count_forms::RULE,
            sum_of_nothing::RULE,
            group_before_join::RULE,
            partial_groups::RULE,
            aggregate_per_row::RULE,
            count_distinct::RULE,
            slices::RULE,
            useless_sort::RULE,
            early_slice::RULE,
        ],
        fuel: 8,
    },
    Phase {
        name: "demand",
        about: "What nobody reads is not computed.",
        rules: &[dead_columns::RULE, dead_join::RULE, union_columns::RULE],
        fuel: 8,
    },
];

/// How often all phases run: restructuring can open the way for simplification.
const ROUNDS: u8 = 8;

/// All rules in order.
pub fn rules() -> impl Iterator<Item = &'static Rule> {
    PHASES.iter().flat_map(|phase| phase.rules)
}

/// Rewrites a plan and its follow-up queries.
///
/// # Errors
/// `Limit` for plans that are too deep; `Internal`, naming the rule, if one breaks an invariant.
pub fn rewrite(plan: &mut Plan, schema: &Schema, target: &Target, trace: &mut Trace) -> Result<()> {
    plan::check_depth(plan)?;
    if cfg!(debug_assertions) {
        plan::check(plan).map_err(|e| in_rule("bind", &e, plan))?;
    }
    let disabled = &target.disabled_rules;
    if disabled.iter().any(|name| name == "all") {
        return Ok(());
    }
    let context = Context {
        schema,
        target,
        kinds: Kinds::NONE,
    };
    rewrite_plan(plan, &context, trace)
}

fn rewrite_plan(plan: &mut Plan, context: &Context<'_>, trace: &mut Trace) -> Result<()> {
    let mut context = Context {
        kinds: Kinds::of(plan),
        ..*context
    };
    for _ in 0..ROUNDS {
        let mut again = false;
        for (i, phase) in PHASES.iter().enumerate() {
            for _ in 0..phase.fuel {
                let mut changed = false;
                if cfg!(debug_assertions) {
                    check_needs(phase.rules, plan, &context)?;
                }
                for rule in phase.rules {
                    if rule.can_fire(context.kinds) && run(rule, plan, &context, trace)? {
                        context.kinds = Kinds::of(plan);
                        changed = true;
                    }
                }
                if !changed {
                    break;
                }
                again |= i > 0;
            }
        }
        if !again {
            break;
        }
    }
    plan.follow_ups(&mut |inner| rewrite_plan(inner, &context, trace))
}

/// Tries the rules that are not asked: what a rule says that it needs must not be more than it does.
fn check_needs(rules: &[Rule], plan: &Plan, context: &Context<'_>) -> Result<()> {
    let mut copy = plan.clone();
    for rule in rules.iter().filter(|rule| !rule.can_fire(context.kinds)) {
        if matches!((rule.apply)(&mut copy, context), Ok(true)) {
            let name = rule.name;
            return Err(Error::internal(format!(
                "rule {name:?} fires where it is not asked"
            )));
        }
    }
    Ok(())
}

fn run(rule: &Rule, plan: &mut Plan, context: &Context<'_>, trace: &mut Trace) -> Result<bool> {
    let disabled = &context.target.disabled_rules;
    if disabled.iter().any(|name| name == rule.name) {
        return Ok(false);
    }
    let before = trace.is_detailed().then(|| plan.to_string());
    let changed = (rule.apply)(plan, context).map_err(|e| in_rule(rule.name, &e, plan))?;
    if changed {
        trace.fired(rule.name, before.map(|b| (b, plan.to_string())));
        if cfg!(debug_assertions) {
            plan::check(plan).map_err(|e| in_rule(rule.name, &e, plan))?;
        }
    }
    Ok(changed)
}

/// Applies one rule once, by name; for tests and explain.
///
/// # Errors
/// `Internal` if there is no such rule or it breaks an invariant.
pub fn apply(name: &str, plan: &mut Plan, schema: &Schema, target: &Target) -> Result<bool> {
    let rule = rules()
        .find(|rule| rule.name == name)
        .ok_or_else(|| Error::internal(format!("no rule is named {name:?}")))?;
    let context = Context {
        schema,
        target,
        kinds: Kinds::of(plan),
    };
    let changed = (rule.apply)(plan, &context)?;
    plan::check(plan).map_err(|e| in_rule(rule.name, &e, plan))?;
    Ok(changed)
}

fn in_rule(rule: &str, error: &Error, plan: &Plan) -> Error {
    if error.code() != crate::error::Code::Internal {
        return error.clone();
    }
    let mut broken = Error::internal(format!("{} after rule {rule:?}", error.message()));
    if cfg!(debug_assertions) {
        broken = broken.with_hint(format!("the plan is\n{plan}"));
    }
    broken
}
