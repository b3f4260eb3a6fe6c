//! Policies of Cloud Custodian for images. What they do was read in the source of c7n 0.9.53
//! (`c7n/resources/ami.py`).

use std::path::Path;

use steward::draft::{Entry, Keep, Match, Retire, Rule, any_of, rule_name, shown};

use super::expression::{Atom, Field, alternatives};
use super::fate::{Fate, Marks, fate};
use super::joining::{AT_ONCE, NEVER, ONLY_DEPRECATES, join, same_images};
use super::yaml::{Node, Value};
use super::{MigrateError, Tool, Writing, filters};

/// What is said at the top of a policy that came from there.
pub const HEAD: &str = "From Cloud Custodian: its `unused` looks at instances, and at the launch configuration or \
    launch template version of each Auto Scaling group (a mixed instances policy's overrides not). Ours looks at all \
    default and latest versions of launch templates too, at fleets, Spot requests, Batch, SSM parameters and more. Its \
    policies see each image by itself; ours knows families, and these rules take images for one family whose names \
    differ only in the number, date or version at their end. Each of its policies runs by itself, and its schedule \
    (`mode`) is the one of the functions here.";

/// Writes the policies of one file.
pub fn translate(file: &Path, root: &Node, writing: &mut Writing) -> Result<(), MigrateError> {
    writing.tools.insert(Tool::Custodian);
    let policies = root.get("policies");
    let wrong = |line: usize, message: &str| MigrateError::Wrong {
        file: file.to_owned(),
        line,
        message: message.to_owned(),
    };
    let Some(Node { value: Value::List(policies), .. }) = policies else {
        return Err(wrong(policies.map_or(1, |node| node.line), "`policies` is not a list"));
    };
    let marks = Marks::of(policies);
    for policy in policies {
        let Some(resource) = policy.get("resource").and_then(Node::text) else {
            return Err(wrong(policy.line, "this policy does not say for which `resource` it is"));
        };
        if matches!(resource, "ami" | "aws.ami") {
            let (comments, missing) = (Vec::new(), Vec::new());
            Translation { file, policy, marks, writing, comments, missing }.write();
        } else {
            let about = format!(
                "Left out: the policy `{}`, which is for {}.",
                name_of(policy),
                shown(resource)
            );
            let more = if resource.ends_with("ebs-snapshot") {
                " See [orphans] below for snapshots without an image."
            } else {
                ""
            };
            writing.note(vec![about + more]);
        }
    }
    Ok(())
}

fn name_of(policy: &Node) -> String {
    shown(policy.get("name").and_then(Node::text).unwrap_or("without a name"))
}

/// A policy on its way.
struct Translation<'a> {
    file: &'a Path,
    policy: &'a Node,
    marks: Marks,
    writing: &'a mut Writing,
    comments: Vec<String>,
    /// What makes theirs act on fewer images and cannot be said in ours.
    missing: Vec<(usize, String)>,
}

impl Translation<'_> {
    fn write(mut self) {
        let name = name_of(self.policy);
        self.comments.push(format!("Theirs: {name} (line {}).", self.policy.line));
        let none = Node { line: self.policy.line, value: Value::Null };
        let their_filters = self.policy.get("filters").unwrap_or(&none);
        if filters::asks_for_mark(their_filters) {
            return self.second_half();
        }
        let (fate, others) = fate(self.policy);
        if !others.is_empty() {
            self.comments.push(format!("No equivalent, and not done here: {}.", others.join("; ")));
        }
        let Some(fate) = fate else {
            self.comments.push("It retires no image, so there is no rule for it.".to_owned());
            return self.writing.note(self.comments);
        };
        self.read_settings();
        let Some(choices) = alternatives(&filters::all_of(their_filters)) else {
            self.missing
                .push((their_filters.line, "filters with more than 16 alternatives".to_owned()));
            return self.add(&name, &fate, &[]);
        };
        if choices.len() > 1 {
            self.comments.push(format!("Its `or` makes {} rules.", choices.len()));
        }
        if choices.is_empty() {
            self.comments
                .push("Its filters select no image, so there is no rule for it.".to_owned());
            return self.writing.note(self.comments);
        }
        let (comments, missing) = (self.comments, self.missing);
        for atoms in choices {
            let (comments, missing) = (comments.clone(), missing.clone());
            let writing = &mut *self.writing;
            Translation {
                file: self.file,
                policy: self.policy,
                marks: self.marks,
                writing,
                comments,
                missing,
            }
            .add(&name, &fate, &atoms);
        }
    }

    /// The policy that removes what another one has marked.
    fn second_half(mut self) {
        if self.marks.are_left {
            self.comments.push(
                "It acts on the marks of `mark-for-op`: the steps of the rule that came from the marking policy do that \
                 here, and an image that becomes wanted again is taken back by the next run."
                    .to_owned(),
            );
        } else {
            let what = "acts on marks that no policy of this file leaves; add the file that has the policy with mark-for-op";
            self.comments
                .push(format!("NOT TRANSLATED: it {what}. Until then its images are kept."));
            self.writing.leave_out(
                self.file,
                self.policy.line,
                &format!("`{}` {what}", name_of(self.policy)),
            );
        }
        self.writing.note(self.comments);
    }

    /// What a policy says beside its filters and actions.
    fn read_settings(&mut self) {
        for (key, value) in self.policy.entries() {
            match key.as_str() {
                "name" | "resource" | "filters" | "actions" | "description" | "comment"
                | "comments" | "tags" | "metadata" | "title" | "source" | "mode" => {}
                "query" if is_own(value) => {}
                "max-resources" | "max-resources-percent" => self.cap(key, value),
                _ => {
                    let what = format!("the policy's `{}: {}`", shown(key), value.shown());
                    self.missing.push((value.line, what));
                }
            }
        }
    }

    /// A number, a percentage, or a table of both.
    fn cap(&mut self, key: &str, value: &Node) {
        let number = |node: Option<&Node>| {
            node.and_then(Node::number).filter(|most| (1.0..=1_000_000.0).contains(most))
        };
        let (amount, percent) = match (key, value.number()) {
            ("max-resources", Some(_)) => (number(Some(value)), None),
            (_, Some(_)) => (None, number(Some(value))),
            _ => (number(value.get("amount")), number(value.get("percent"))),
        };
        let safety = &mut self.writing.safety;
        if let Some(most) = amount {
            safety.max_per_run = safety.max_per_run.min(most as u32);
        }
        if let Some(percent) = percent {
            safety.max_fraction = safety.max_fraction.min(percent / 100.0);
        }
        self.comments.push(format!(
            "Its cap ({}: {}) goes for all rules together, under [safety], unless that is lower: ours takes as many, and \
             the rest in the next runs; theirs does nothing at all.",
            shown(key),
            value.shown()
        ));
    }

    /// Writes the rule of one alternative.
    fn add(mut self, name: &str, fate: &Fate, atoms: &[Atom]) {
        let mut rule = Rule {
            name: rule_name(name, &mut self.writing.names),
            group_by: vec!["name_prefix".to_owned(), "architecture".to_owned()],
            keep: Keep { last: Some(1), ..Keep::default() },
            ..Rule::default()
        };
        let mut days: f64 = 0.0;
        let mut asks_for_use = false;
        let mut fields = Vec::new();
        for atom in atoms {
            match atom {
                Atom::Unused => asks_for_use = true,
                Atom::OlderThan(more) => days = days.max(*more),
                Atom::Always(why) => {
                    self.comments.push(format!("Left out, because it is always so: {why}."))
                }
                Atom::Unknown { what, line } => self.missing.push((*line, what.clone())),
                Atom::Field { field: Field::Tag(key), negated: true, .. } if fate.marks_with(key) => self
                    .comments
                    .push(format!(
                        "Left out, because there are no such marks here: tag:{} absent. Images that carry it already count \
                         like all others.",
                        shown(key)
                    )),
                Atom::Field { field, glob, negated, exact } => {
                    if !exact {
                        self.comments.push(format!(
                            "The pattern `{}` may match fewer images than theirs: here upper and lower case differ.",
                            shown(glob)
                        ));
                    }
                    fields.push((field, glob, *negated));
                }
            }
        }
        if !asks_for_use {
            self.comments.push(
                "It does not ask whether an image is in use. Here one in use is never touched."
                    .to_owned(),
            );
        }
        self.select(&mut rule, &fields);
        self.retire(&mut rule, fate, days);
        self.finish(rule);
    }

    /// What must hold becomes `match`; what must not becomes a reason to keep, or `not`.
    fn select(&mut self, rule: &mut Rule, fields: &[(&Field, &String, bool)]) {
        let mut fields = fields.to_vec();
        fields.sort();
        fields.dedup();
        let mut not: Vec<(&Field, Vec<String>)> = Vec::new();
        for (field, glob, negated) in fields {
            let slot = match (field, negated) {
                (_, true) => {
                    match not.iter_mut().find(|(known, _)| *known == field) {
                        Some((_, globs)) => globs.push(glob.clone()),
                        None => not.push((field, vec![glob.clone()])),
                    }
                    continue;
                }
                (Field::Name, false) => &mut rule.matches.name,
                (Field::Architecture, false) => &mut rule.matches.architecture,
                (Field::Platform, false) => &mut rule.matches.platform,
                (Field::Tag(key), false) => {
                    if let Some(other) = rule.matches.tags.insert(key.clone(), glob.clone()) {
                        self.missing.push((
                            self.policy.line,
                            format!(
                                "a second condition on tag:{} (`{}`)",
                                shown(key),
                                shown(&other)
                            ),
                        ));
                    }
                    continue;
                }
            };
            if let Some(other) = slot.replace(glob.clone()) {
                self.missing.push((
                    self.policy.line,
                    format!("a second condition on the same thing (`{}`)", shown(&other)),
                ));
            }
        }
        for (field, globs) in not {
            let glob = any_of(globs).unwrap_or_default();
            let mut except = Match::default();
            match field {
                Field::Tag(key) => {
                    rule.keep.tags.insert(key.clone(), glob);
                    continue;
                }
                Field::Name => except.name = Some(glob),
                Field::Architecture => except.architecture = Some(glob),
                Field::Platform => except.platform = Some(glob),
            }
            if rule.matches.not.replace(Box::new(except)).is_some() {
                self.missing.push((
                    self.policy.line,
                    "exceptions by more than one of name, architecture and platform".to_owned(),
                ));
            }
        }
    }

    fn retire(&mut self, rule: &mut Rule, fate: &Fate, age: f64) {
        let mut whole_days = age.ceil() as u32;
        match fate {
            Fate::Deregister { snapshots } => {
                self.comments.push(format!(
                    "{AT_ONCE}; here that is two weeks after it was found expired, in steps."
                ));
                if !snapshots {
                    self.leave_snapshots(rule);
                }
            }
            Fate::Mark { days, .. } => {
                let days = (*days).max(1);
                rule.retire = Retire {
                    disable_after: format!("{}d", days.min(7)),
                    deregister_after: format!("{days}d"),
                    ..Retire::default()
                };
                self.comments.push(format!(
                    "Theirs marks an image and acts {days} days later; here the steps do that, and its second half is not \
                     needed."
                ));
                if !self.marks.delete_snapshots {
                    self.leave_snapshots(rule);
                }
            }
            Fate::Deprecate { days, from_creation } => {
                let mut after = "0d".to_owned();
                if *from_creation {
                    whole_days = whole_days.max(*days);
                } else {
                    after = format!("{days}d");
                }
                rule.retire = Retire {
                    deprecate_after: after,
                    disable_after: "never".to_owned(),
                    deregister_after: NEVER.to_owned(),
                    delete_snapshots_after: NEVER.to_owned(),
                };
                self.comments.push(format!(
                    "{ONLY_DEPRECATES}. So does this: deregistered would be after {NEVER}."
                ));
            }
        }
        if whole_days > 0 {
            rule.keep.within = Some(format!("{whole_days}d"));
        }
    }

    fn leave_snapshots(&mut self, rule: &mut Rule) {
        NEVER.clone_into(&mut rule.retire.delete_snapshots_after);
        self.comments.push(format!(
            "Theirs leaves the snapshots (no `delete-snapshots: true`), and they cost for good. So does this, for {NEVER}; \
             write \"7d\" to have them deleted a week after their image."
        ));
    }

    /// Adds the rule, if it decides what theirs did and something is left for it to decide.
    fn finish(self, mut rule: Rule) {
        let Self { file, policy, marks: _, writing, mut comments, missing } = self;
        if missing.is_empty() {
            if let Some(earlier) = same_images(&mut writing.entries, &rule) {
                if earlier.retire.deregister_after == NEVER && rule.retire.deregister_after != NEVER
                {
                    comments.insert(
                        0,
                        "One rule with the policy below, which is for the same images.".to_owned(),
                    );
                    earlier.comments.extend(comments);
                    return join(earlier, rule);
                }
                comments.push(format!(
                    "NO IMAGE WOULD REACH IT: the rule `{}` above is for the same images, and the first that matches \
                     decides. Choose one.",
                    earlier.name
                ));
                writing.leave_out(
                    file,
                    policy.line,
                    &format!("`{}` is for the same images as an earlier policy", name_of(policy)),
                );
                rule.comments = comments;
                return writing.entries.push(Entry::Suggestion(rule));
            }
            rule.comments = comments;
            return writing.entries.push(Entry::Rule(rule));
        }
        let what: Vec<String> =
            missing.iter().map(|(line, what)| format!("{what} (line {line})")).collect();
        comments.push(format!(
            "NOT TRANSLATED, because ours cannot ask for: {}. Without it the rule would take more images than theirs, so \
             it is only a comment, and its images are kept unless another rule matches them.",
            what.join("; ")
        ));
        for (line, what) in missing {
            writing.leave_out(file, line, &format!("`{}`: {what}", name_of(policy)));
        }
        rule.comments = comments;
        writing.entries.push(Entry::Suggestion(rule));
    }
}

/// Whether a query asks for the account's own images, as theirs does without one.
fn is_own(query: &Node) -> bool {
    query.elements().iter().all(|part| {
        matches!(part.entries(), [(key, owners)] if key == "Owners"
            && owners.elements().iter().all(|owner| owner.text() == Some("self"))
            && !owners.elements().is_empty())
    })
}
