//! Translates a `mark-for-op` policy and the policy that later deregisters the images into one
//! rule.

use steward::suggest::shown;

use super::actions::FinalAction;
use super::custodian::Translation;
use super::expression::{
    Atom, Expression, Field, MOST, Mark, TOO_MANY, alternatives, narrowest_first,
};
use super::filters;
use super::mark_index::{CustodianPolicy, beside_mark, without_own_mark};

impl<'a> Translation<'a> {
    /// The policy that tags images: the conditions of both policies together become a rule.
    pub fn first_half(mut self, final_action: &FinalAction, mark: &Mark, selects: &Expression) {
        let sweeps = self.marks.sweeps(mark);
        if sweeps.is_empty() {
            let what = format!(
                "schedules an operation by a tag ({mark}), but no policy in these files deregisters images with that tag"
            );
            self.comments.push(format!(
                "NOT TRANSLATED: it {what}, so there is no rule for it. If another file has such a policy, pass both \
                 files."
            ));
            let CustodianPolicy { file, node } = self.policy;
            self.writing.leave_out(file, node.line, &format!("`{}` {what}", self.policy.name()));
            return self.writing.note(self.comments);
        }
        if let Some(back) = self.marks.removed_by(mark) {
            let what =
                format!("`{}`, which removes the tag of mark-for-op from some images", back.name());
            self.missing.push((back.file, back.node.line, what));
        }
        for sweep in sweeps {
            let mut together = self.again();
            together.comments.push(format!(
                "Second policy: {} (line {}).",
                sweep.name(),
                sweep.node.line
            ));
            together.read_settings(sweep);
            together.with_sweep(final_action, mark, selects, sweep);
        }
    }

    fn with_sweep(
        mut self,
        final_action: &FinalAction,
        mark: &Mark,
        selects: &Expression,
        sweep: CustodianPolicy<'a>,
    ) {
        let line = sweep.node.line;
        let firsts = alternatives(selects);
        let seconds = alternatives(&filters::of(sweep.node));
        let (Some(firsts), Some(seconds)) = (firsts, seconds) else {
            self.missing.push((sweep.file, line, TOO_MANY.to_owned()));
            return self.add(final_action, &[]);
        };
        let own = self.policy;
        let seconds = seconds.iter().filter_map(|atoms| beside_mark(atoms, mark, line));
        let seconds: Vec<Vec<Atom>> = seconds
            .map(|atoms| atoms.into_iter().map(|atom| with_place(atom, sweep, own)).collect())
            .collect();
        if firsts.len() * seconds.len() > MOST {
            self.missing.push((sweep.file, line, TOO_MANY.to_owned()));
            return self.add(final_action, &[]);
        }
        let mut choices = Vec::new();
        for first in &firsts {
            let first = without_own_mark(first, mark);
            choices.extend(seconds.iter().map(|second| [first.as_slice(), second].concat()));
        }
        narrowest_first(&mut choices);
        self.comment_on_alternatives(choices.len());
        if choices.is_empty() {
            return self.writing.note(self.comments);
        }
        for atoms in choices {
            let mut one = self.again();
            let is_tag = |atom: &Atom| matches!(atom, Atom::Field { field: Field::Tag(key), .. } if *key == mark.tag);
            if atoms.iter().any(is_tag) {
                one.comments.push(format!(
                    "Images that already have tag:{} are kept, regardless of its value. Remove the tag when Custodian no \
                     longer runs.",
                    shown(&mark.tag)
                ));
            }
            one.add(final_action, &atoms);
        }
    }

    /// The policy that acts on images that another policy has tagged.
    pub fn second_half(mut self, final_action: &FinalAction, selects: &Expression) {
        let unset = selects.marks().into_iter().find(|mark| !self.marks.are_left(mark));
        let what = match (final_action, unset) {
            (FinalAction::Deregister { .. }, None) => None,
            (FinalAction::Deregister { .. }, Some(mark)) => Some(format!(
                "acts on a tag that no policy in these files sets ({mark}); add the file that has the policy with \
                 mark-for-op"
            )),
            _ => Some(
                "acts on images tagged by mark-for-op, but does not deregister them".to_owned(),
            ),
        };
        let CustodianPolicy { file, node } = self.policy;
        let name = self.policy.name();
        match what {
            None => self.comments.push(
                "It acts on the tag of `mark-for-op`: its conditions are part of the rule of the policy that sets the tag, \
                 and the steps of that rule replace its action. If a keep rule matches an image again, the next run \
                 rescues the image."
                    .to_owned(),
            ),
            Some(what) => {
                self.comments
                    .push(format!("NOT TRANSLATED: it {what}. Its images are kept."));
                self.writing.leave_out(file, node.line, &format!("`{name}` {what}"));
            }
        }
        let is_mark = |atom: &Atom| matches!(atom, Atom::Mark { negated: false, .. });
        let alone: Vec<Vec<Atom>> = match alternatives(selects) {
            // Another `mark-for-op` is translated as a first policy.
            _ if matches!(final_action, FinalAction::Mark { .. }) => Vec::new(),
            Some(choices) => {
                choices.into_iter().filter(|atoms| !atoms.iter().any(is_mark)).collect()
            }
            None => {
                self.writing.leave_out(file, node.line, &format!("`{name}`: {TOO_MANY}"));
                Vec::new()
            }
        };
        if alone.is_empty() {
            return self.writing.note(self.comments);
        }
        self.comments.push("It also acts on these images without the tag.".to_owned());
        self.read_settings(self.policy);
        for atoms in alone {
            self.again().add(final_action, &atoms);
        }
    }
}

/// Adds the name of the second policy to an unknown condition of it, and the file if it is another
/// one.
fn with_place(atom: Atom, sweep: CustodianPolicy<'_>, own: CustodianPolicy<'_>) -> Atom {
    let Atom::Unknown { what, line } = atom else { return atom };
    let name = sweep.name();
    if sweep.file == own.file {
        return Atom::Unknown { what: format!("in `{name}`: {what}"), line };
    }
    let file = shown(&sweep.file.display().to_string());
    let what = format!("in `{name}` ({file}:{line}): {what}");
    Atom::Unknown { what, line: own.node.line }
}
