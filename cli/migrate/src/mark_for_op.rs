//! The two halves of marking now and deregistering later, as one rule.

use steward::suggest::shown;

use super::actions::Fate;
use super::custodian::Translation;
use super::expression::{
    Atom, Expression, Field, MOST, Mark, TOO_MANY, alternatives, narrowest_first,
};
use super::filters;
use super::mark_index::{CustodianPolicy, beside_mark, without_own_mark};

impl<'a> Translation<'a> {
    /// The policy that marks: what it and its second half ask for together becomes a rule.
    pub fn first_half(mut self, fate: &Fate, mark: &Mark, selects: &Expression) {
        let sweeps = self.marks.sweeps(mark);
        if sweeps.is_empty() {
            let what = format!(
                "marks images ({mark}), and no policy of these files deregisters what carries that mark"
            );
            self.comments.push(format!(
                "NOT TRANSLATED: it {what}, so there is no rule for it. If another file has that policy, give both \
                 files."
            ));
            let CustodianPolicy { file, node } = self.policy;
            self.writing.leave_out(file, node.line, &format!("`{}` {what}", self.policy.name()));
            return self.writing.note(self.comments);
        }
        if let Some(back) = self.marks.taken_back(mark) {
            let what = format!("that `{}` takes the mark from some images again", back.name());
            self.missing.push((back.file, back.node.line, what));
        }
        for sweep in sweeps {
            let mut together = self.again();
            together.comments.push(format!(
                "Its second half: {} (line {}).",
                sweep.name(),
                sweep.node.line
            ));
            together.read_settings(sweep);
            together.with_sweep(fate, mark, selects, sweep);
        }
    }

    fn with_sweep(
        mut self,
        fate: &Fate,
        mark: &Mark,
        selects: &Expression,
        sweep: CustodianPolicy<'a>,
    ) {
        let line = sweep.node.line;
        let firsts = alternatives(selects);
        let seconds = alternatives(&filters::of(sweep.node));
        let (Some(firsts), Some(seconds)) = (firsts, seconds) else {
            self.missing.push((sweep.file, line, TOO_MANY.to_owned()));
            return self.add(fate, &[]);
        };
        let own = self.policy;
        let seconds = seconds.iter().filter_map(|atoms| beside_mark(atoms, mark, line));
        let seconds: Vec<Vec<Atom>> = seconds
            .map(|atoms| atoms.into_iter().map(|atom| with_place(atom, sweep, own)).collect())
            .collect();
        if firsts.len() * seconds.len() > MOST {
            self.missing.push((sweep.file, line, TOO_MANY.to_owned()));
            return self.add(fate, &[]);
        }
        let mut choices = Vec::new();
        for first in &firsts {
            let first = without_own_mark(first, mark);
            choices.extend(seconds.iter().map(|second| [first.as_slice(), second].concat()));
        }
        narrowest_first(&mut choices);
        self.say_how_many(choices.len());
        if choices.is_empty() {
            return self.writing.note(self.comments);
        }
        for atoms in choices {
            let mut one = self.again();
            let is_tag = |atom: &Atom| matches!(atom, Atom::Field { field: Field::Tag(key), .. } if *key == mark.tag);
            if atoms.iter().any(is_tag) {
                one.comments.push(format!(
                    "Images that carry tag:{} already are kept here, whatever it says: take the tag from them when \
                     theirs does not run any more.",
                    shown(&mark.tag)
                ));
            }
            one.add(fate, &atoms);
        }
    }

    /// The policy that acts on what another one has marked.
    pub fn second_half(mut self, fate: &Fate, selects: &Expression) {
        let unheard = selects.marks().into_iter().find(|mark| !self.marks.are_left(mark));
        let what = match (fate, unheard) {
            (Fate::Deregister { .. }, None) => None,
            (Fate::Deregister { .. }, Some(mark)) => Some(format!(
                "acts on marks that no policy of these files leaves ({mark}); add the file that has the policy with \
                 mark-for-op"
            )),
            _ => Some("acts on marks, but does not deregister what carries them".to_owned()),
        };
        let CustodianPolicy { file, node } = self.policy;
        let name = self.policy.name();
        match what {
            None => self.comments.push(
                "It acts on the marks of `mark-for-op`: what it asks for stands in the rule of the policy that marks, and \
                 the steps of that rule do what it does. An image that becomes wanted again is taken back by the next run."
                    .to_owned(),
            ),
            Some(what) => {
                self.comments
                    .push(format!("NOT TRANSLATED: it {what}. Until then its images are kept."));
                self.writing.leave_out(file, node.line, &format!("`{name}` {what}"));
            }
        }
        let is_mark = |atom: &Atom| matches!(atom, Atom::Mark { negated: false, .. });
        let alone: Vec<Vec<Atom>> = match alternatives(selects) {
            // To mark is only the first half again.
            _ if matches!(fate, Fate::Mark { .. }) => Vec::new(),
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
        self.comments.push("It takes these images without a mark, too.".to_owned());
        self.read_settings(self.policy);
        for atoms in alone {
            self.again().add(fate, &atoms);
        }
    }
}

/// Says of what is not known in the second half that it stands there, and in which file if that is
/// another one.
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
