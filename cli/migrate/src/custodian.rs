//! Translates Cloud Custodian policies for images, based on the source of c7n 0.9.53
//! (`c7n/resources/ami.py`).

use std::path::Path;

use steward::suggest::{Entry, SuggestedKeep, SuggestedMatch, SuggestedRule, rule_name, shown};

use super::actions::{FinalAction, final_action};
use super::expression::{Atom, Field, TOO_MANY, alternatives, narrowest_first};
use super::globs::one_of;
use super::mark_index::{CustodianPolicy, MarkIndex};
use super::merge::{decides_before, is_joined, join};
use super::yaml::{Node, YamlValue};
use super::{MigrateError, SOURCE, Writing, filters};

/// The comment at the top of a policy translated from Cloud Custodian.
pub const HEAD: &str = "From Cloud Custodian: its `unused` filter reads instances, and the launch configuration or launch \
    template version of each Auto Scaling group (without the overrides of a mixed instances policy). image-steward also \
    reads all default and latest launch template versions, fleets, Spot requests, AWS Batch, SSM parameters and more. \
    Custodian evaluates each image separately, except with `reduce`; image-steward compares the images of a family. \
    Without `reduce`, images are in one family here if their names differ only in a number, date or version at the end. \
    Each Custodian policy runs separately, on the schedule of its `mode`; here, the schedule of the functions applies.";

/// The policies in a file.
pub fn policies<'a>(file: &Path, root: &'a Node) -> Result<&'a [Node], MigrateError> {
    let wrong = |line: usize, message: &str| MigrateError::Wrong {
        file: file.to_owned(),
        line,
        message: message.to_owned(),
    };
    let policies = root.get("policies");
    let Some(Node { value: YamlValue::List(policies), .. }) = policies else {
        return Err(wrong(policies.map_or(1, |node| node.line), "`policies` is not a list"));
    };
    let is_for_nothing = |policy: &&Node| policy.get("resource").and_then(Node::text).is_none();
    match policies.iter().find(is_for_nothing) {
        Some(policy) => Err(wrong(policy.line, "this policy has no `resource`")),
        None => Ok(policies),
    }
}

/// Translates one policy.
pub fn translate(policy: CustodianPolicy<'_>, marks: &MarkIndex<'_>, writing: &mut Writing) {
    if policy.is_for_images() {
        let (comments, missing) = (Vec::new(), Vec::new());
        return Translation { policy, marks, writing, comments, missing }.write();
    }
    let resource = policy.node.get("resource").and_then(Node::text).unwrap_or_default();
    let about =
        format!("Skipped: the policy `{}` for the resource {}.", policy.name(), shown(resource));
    let more = if resource.ends_with("ebs-snapshot") {
        " See [orphans] below for snapshots without an image."
    } else {
        ""
    };
    writing.note(vec![about + more]);
}

/// The position of a filter relative to `reduce`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum FilterOrder {
    /// There is no `reduce`.
    Alone,
    /// It selects the images that `reduce` counts.
    BeforeReduce,
    /// It selects among the images that `reduce` returns.
    AfterReduce,
}

/// A glob that a field must match, or must not match.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Selecting<'a> {
    field: &'a Field,
    glob: &'a String,
    negated: bool,
    place: FilterOrder,
}

/// A policy that is being translated.
pub struct Translation<'a> {
    pub policy: CustodianPolicy<'a>,
    pub marks: &'a MarkIndex<'a>,
    pub writing: &'a mut Writing,
    pub comments: Vec<String>,
    /// Conditions of the source policy without an equivalent, with their file and line.
    pub missing: Vec<(&'a Path, usize, String)>,
}

impl Translation<'_> {
    fn write(mut self) {
        let CustodianPolicy { file, node } = self.policy;
        self.comments.push(format!("{SOURCE}{} (line {}).", self.policy.name(), node.line));
        let (final_action, others) = final_action(node);
        if !others.is_empty() {
            self.comments
                .push(format!("Skipped actions without an equivalent: {}.", others.join("; ")));
        }
        let Some(final_action) = final_action else {
            self.comments.push("It retires no image, so it needs no rule.".to_owned());
            return self.writing.note(self.comments);
        };
        let selects = filters::of(node);
        if !selects.marks().is_empty() {
            return self.second_half(&final_action, &selects);
        }
        self.read_settings(self.policy);
        if let FinalAction::Mark { mark, .. } = &final_action {
            return self.first_half(&final_action, mark, &selects);
        }
        let Some(mut choices) = alternatives(&selects) else {
            self.missing.push((file, node.line, TOO_MANY.to_owned()));
            return self.add(&final_action, &[]);
        };
        self.comment_on_alternatives(choices.len());
        if choices.is_empty() {
            return self.writing.note(self.comments);
        }
        narrowest_first(&mut choices);
        for atoms in choices {
            self.again().add(&final_action, &atoms);
        }
    }

    pub fn comment_on_alternatives(&mut self, choices: usize) {
        match choices {
            0 => self.comments.push("Its filters select no image, so it needs no rule.".to_owned()),
            1 => {}
            several => self.comments.push(format!("Its `or` becomes {several} rules.")),
        }
    }

    /// A copy, for one alternative.
    pub fn again(&mut self) -> Translation<'_> {
        Translation {
            policy: self.policy,
            marks: self.marks,
            writing: &mut *self.writing,
            comments: self.comments.clone(),
            missing: self.missing.clone(),
        }
    }

    fn misses(&mut self, what: String) {
        let CustodianPolicy { file, node } = self.policy;
        self.missing.push((file, node.line, what));
    }

    /// Adds the rule of one alternative.
    pub fn add(mut self, final_action: &FinalAction, atoms: &[Atom]) {
        let CustodianPolicy { file, .. } = self.policy;
        let mut rule = SuggestedRule {
            name: rule_name(&self.policy.name(), &mut self.writing.names),
            group_by: vec!["name_prefix".to_owned(), "architecture".to_owned()],
            keep: SuggestedKeep { last: Some(1), ..SuggestedKeep::default() },
            ..SuggestedRule::default()
        };
        let reduce = atoms.iter().position(|atom| matches!(atom, Atom::Reduce { .. }));
        let (mut days, mut days_before): (f64, f64) = (0.0, 0.0);
        let mut asks_for_use = false;
        let mut fields = Vec::new();
        for (at, atom) in atoms.iter().enumerate() {
            let place = match reduce {
                None => FilterOrder::Alone,
                Some(reduce) if at < reduce => FilterOrder::BeforeReduce,
                Some(_) => FilterOrder::AfterReduce,
            };
            match atom {
                Atom::Unused if place == FilterOrder::BeforeReduce => self.misses(
                    "`unused` before `reduce`, which then counts only images that are not in use (`last` also counts \
                     images in use; move `unused` after `reduce`)"
                        .to_owned(),
                ),
                Atom::Unused => asks_for_use = true,
                Atom::OlderThan(more) if place == FilterOrder::BeforeReduce => {
                    days_before = days_before.max(*more);
                }
                Atom::OlderThan(more) => days = days.max(*more),
                Atom::AlwaysButRanked(why) if place == FilterOrder::BeforeReduce => self.misses(format!(
                    "a condition before `reduce` ({why}); here, images that do not meet it still count in their families \
                     (move the condition after `reduce`)"
                )),
                Atom::Always(why) | Atom::AlwaysButRanked(why) => {
                    self.comments.push(format!("Omitted, because it always applies: {why}."))
                }
                Atom::Reduce { last, group_by } => {
                    if matches!(final_action, FinalAction::Mark { .. }) {
                        self.misses(
                            "the filter `reduce` with `mark-for-op` (use `deregister`: the steps include a waiting time)".to_owned(),
                        );
                    }
                    self.reduce(&mut rule, *last, group_by.as_deref());
                }
                Atom::Unknown { what, line } => self.missing.push((file, *line, what.clone())),
                Atom::Mark { mark, negated, line } => {
                    let not = if *negated { "not: " } else { "" };
                    self.missing.push((file, *line, format!("{not}marked-for-op ({mark})")));
                }
                Atom::Field { field, glob, negated, exact } => {
                    if !exact {
                        self.comments.push(format!(
                            "The pattern `{}` may match fewer images than in Custodian, because it is case-sensitive here.",
                            shown(glob)
                        ));
                    }
                    fields.push(Selecting { field, glob, negated: *negated, place });
                }
            }
        }
        if !asks_for_use {
            self.comments.push(
                "It does not check whether an image is in use. Here, an image in use is never removed."
                    .to_owned(),
            );
        }
        self.select(&mut rule, &fields);
        if days_before > 0.0 {
            rule.matches.older_than = Some(format!("{}d", days_before.ceil()));
        }
        self.retire(&mut rule, final_action, days);
        self.finish(rule);
    }

    /// The newest images of each family are kept; all other filters apply to the whole rule.
    fn reduce(&mut self, rule: &mut SuggestedRule, last: u32, group_by: Option<&str>) {
        rule.keep.last = Some(last);
        rule.group_by = group_by.map(str::to_owned).into_iter().collect();
        let families = match group_by {
            None => "all images of the rule are one family".to_owned(),
            Some(by) => format!(
                "families by {}. Images without it are kept; Custodian treats them as one more family",
                shown(by)
            ),
        };
        self.comments.push(format!("Its `reduce` becomes `last = {last}`: {families}."));
    }

    /// Required conditions become `match`; exceptions become a keep rule, or `not`. An image that a
    /// keep rule keeps counts in its family, so exceptions before `reduce` must not become keep
    /// rules.
    fn select(&mut self, rule: &mut SuggestedRule, fields: &[Selecting<'_>]) {
        let mut fields = fields.to_vec();
        fields.sort();
        fields.dedup();
        let mut not: Vec<(&Field, FilterOrder, Vec<String>)> = Vec::new();
        for Selecting { field, glob, negated, place } in fields {
            let is_kept = negated && matches!(field, Field::Tag(_));
            if place == FilterOrder::AfterReduce && !is_kept {
                self.misses(format!(
                    "a condition on {field} after `reduce` (move it before `reduce` if it selects the images to count)"
                ));
                continue;
            }
            let slot = match (field, negated) {
                (_, true) => {
                    match not.iter_mut().find(|(known, at, _)| (*known, *at) == (field, place)) {
                        Some((_, _, globs)) => globs.push(glob.clone()),
                        None => not.push((field, place, vec![glob.clone()])),
                    }
                    continue;
                }
                (Field::Name, false) => &mut rule.matches.name,
                (Field::Architecture, false) => &mut rule.matches.architecture,
                (Field::Platform, false) => &mut rule.matches.platform,
                (Field::Tag(key), false) => {
                    let other = rule.matches.tags.insert(key.clone(), glob.clone());
                    // A condition that the tag exists is implied by any other.
                    if let Some(other) = other.filter(|other| other != "*") {
                        self.misses(format!(
                            "a second condition on tag:{} (`{}`)",
                            shown(key),
                            shown(&other)
                        ));
                    }
                    continue;
                }
            };
            if let Some(other) = slot.replace(glob.clone()) {
                self.misses(format!(
                    "a second condition on the same property (`{}`)",
                    shown(&other)
                ));
            }
        }
        for (field, place, globs) in not {
            let Some(glob) = one_of(globs) else {
                self.misses("too many exceptions for one glob".to_owned());
                continue;
            };
            let mut except = SuggestedMatch::default();
            match field {
                Field::Tag(key) if place == FilterOrder::BeforeReduce => {
                    except.tags.insert(key.clone(), glob);
                }
                Field::Tag(key) => {
                    rule.keep.tags.insert(key.clone(), glob);
                    continue;
                }
                Field::Name => except.name = Some(glob),
                Field::Architecture => except.architecture = Some(glob),
                Field::Platform => except.platform = Some(glob),
            }
            if rule.matches.not.replace(Box::new(except)).is_some() {
                let tags = match place {
                    FilterOrder::BeforeReduce => {
                        ", or by tags before `reduce` (after `reduce`, images with the tag are kept)"
                    }
                    FilterOrder::Alone | FilterOrder::AfterReduce => "",
                };
                self.misses(format!(
                    "exceptions by more than one of name, architecture and platform{tags}"
                ));
            }
        }
    }

    /// Adds the rule, as a comment if a condition could not be translated or no image would reach
    /// it.
    fn finish(self, mut rule: SuggestedRule) {
        let Self { policy, marks: _, writing, mut comments, missing } = self;
        if missing.is_empty() {
            let earlier = decides_before(&mut writing.entries, &rule);
            if let Some(earlier) = earlier.filter(|earlier| is_joined(earlier, &rule)) {
                let combined =
                    "Combined with the policy below, which selects the same images, into one rule.";
                comments.insert(0, combined.to_owned());
                earlier.comments.extend(comments);
                return join(earlier, rule);
            }
            rule.comments = comments;
            return writing.add_rule(policy.file, policy.node.line, &policy.name(), rule);
        }
        let what: Vec<String> =
            missing.iter().map(|(_, line, what)| format!("{what} (line {line})")).collect();
        comments.push(format!(
            "NOT TRANSLATED, because there is no equivalent of: {}. Without it, the rule would match more images than the \
             source, so the rule is only a comment. Its images are kept unless another rule matches them.",
            what.join("; ")
        ));
        for (file, line, what) in missing {
            writing.leave_out(file, line, &format!("`{}`: {what}", policy.name()));
        }
        rule.comments = comments;
        writing.entries.push(Entry::Suggestion(rule));
    }
}
