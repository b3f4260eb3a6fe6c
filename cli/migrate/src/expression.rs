//! Filters as alternatives, each of which is a list of conditions that must all hold.

use std::cmp::Reverse;
use std::fmt;

use steward::suggest::shown;

/// The maximum number of alternatives. More rules would not be readable.
pub const MOST: usize = 16;
pub const TOO_MANY: &str = "filters with more than 16 alternatives";

/// A condition on an image.
#[derive(Debug, Clone, PartialEq)]
pub enum Atom {
    /// The image is not in use, as far as Custodian checks.
    Unused,
    /// The image is older than this number of days.
    OlderThan(f64),
    /// A field matches a glob, or does not match it.
    Field {
        field: Field,
        glob: String,
        negated: bool,
        /// Whether the glob matches everything that the source pattern matches; otherwise it
        /// matches less.
        exact: bool,
    },
    /// The image has a tag that `mark-for-op` of another policy sets, or does not have it.
    Mark { mark: Mark, negated: bool, line: usize },
    /// True for every image that image-steward would retire; the text gives the reason.
    Always(String),
    /// Like `Always`, but images for which it is false also count among the newest.
    AlwaysButRanked(String),
    /// All but the newest images of each family, among the images that meet the conditions before
    /// it.
    Reduce { last: u32, group_by: Option<String> },
    /// A condition without an equivalent, and its line.
    Unknown { what: String, line: usize },
}

/// The tag that `mark-for-op` sets for another policy, and the scheduled operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    pub tag: String,
    pub op: String,
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tag, op } = self;
        write!(f, "tag:{} for {}", shown(tag), shown(op))
    }
}

/// The property that a glob matches.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Field {
    Name,
    Architecture,
    Platform,
    Tag(String),
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name => f.write_str("the name"),
            Self::Architecture => f.write_str("the architecture"),
            Self::Platform => f.write_str("the platform"),
            Self::Tag(key) => write!(f, "tag:{}", shown(key)),
        }
    }
}

/// Conditions, combined by `and`, `or` and `not`.
#[derive(Debug, Clone)]
pub enum Expression {
    Is(Atom),
    All(Vec<Expression>),
    Any(Vec<Expression>),
    Not(Box<Expression>, usize),
    /// Separate translations of a condition and of its negation. Each matches the same images as
    /// the source, or fewer.
    Sided {
        holds: Atom,
        fails: Vec<Atom>,
    },
}

impl From<Atom> for Expression {
    fn from(atom: Atom) -> Self {
        Self::Is(atom)
    }
}

impl Expression {
    /// The tags of `mark-for-op` that are required, without those that must be absent.
    pub fn marks(&self) -> Vec<&Mark> {
        self.marks_in(false)
    }

    fn marks_in(&self, is_negated: bool) -> Vec<&Mark> {
        match self {
            Self::Is(Atom::Mark { mark, negated, .. }) if *negated == is_negated => vec![mark],
            Self::Is(_) | Self::Sided { .. } => Vec::new(),
            Self::All(parts) | Self::Any(parts) => {
                parts.iter().flat_map(|part| part.marks_in(is_negated)).collect()
            }
            Self::Not(inner, _) => inner.marks_in(!is_negated),
        }
    }
}

/// The alternatives; `None` if there are too many.
pub fn alternatives(expression: &Expression) -> Option<Vec<Vec<Atom>>> {
    expand(expression, false, 0)
}

/// Sorts alternatives with more conditions first. The first rule that matches decides, so a broader
/// rule would hide a narrower one. An exception by tag is not a condition of `match`.
pub fn narrowest_first(choices: &mut [Vec<Atom>]) {
    let is_condition = |atom: &&Atom| match atom {
        Atom::Field { field, negated, .. } => !negated || !matches!(field, Field::Tag(_)),
        _ => false,
    };
    choices.sort_by_key(|atoms| Reverse(atoms.iter().filter(is_condition).count()));
}

fn expand(expression: &Expression, negated: bool, line: usize) -> Option<Vec<Vec<Atom>>> {
    match (expression, negated) {
        (Expression::Is(atom), false) => Some(vec![vec![atom.clone()]]),
        (Expression::Is(atom), true) => Some(vec![vec![negation(atom, line)]]),
        (Expression::Not(inner, line), _) => expand(inner, !negated, *line),
        (Expression::Sided { holds, .. }, false) => Some(vec![vec![holds.clone()]]),
        (Expression::Sided { fails, .. }, true) => Some(vec![fails.clone()]),
        (Expression::All(parts), false) | (Expression::Any(parts), true) => {
            let mut product: Vec<Vec<Atom>> = vec![Vec::new()];
            for part in parts {
                let choices = expand(part, negated, line)?;
                if product.len() * choices.len() > MOST {
                    return None;
                }
                product = product
                    .iter()
                    .flat_map(|so_far| {
                        choices.iter().map(move |more| [so_far.as_slice(), more].concat())
                    })
                    .collect();
            }
            Some(product)
        }
        (Expression::Any(parts), false) | (Expression::All(parts), true) => {
            let mut sum = Vec::new();
            for part in parts {
                sum.extend(expand(part, negated, line)?);
                if sum.len() > MOST {
                    return None;
                }
            }
            Some(sum)
        }
    }
}

fn negation(atom: &Atom, line: usize) -> Atom {
    let unknown = |what: &str| Atom::Unknown { what: what.to_owned(), line };
    match atom {
        Atom::Field { field, glob, negated, exact: true } => {
            let (field, glob) = (field.clone(), glob.clone());
            Atom::Field { field, glob, negated: !negated, exact: true }
        }
        Atom::Field { glob, .. } => unknown(&format!(
            "an exception by a pattern whose translation, `{}`, would exclude fewer images",
            shown(glob)
        )),
        Atom::Mark { mark, negated, line } => {
            Atom::Mark { mark: mark.clone(), negated: !negated, line: *line }
        }
        Atom::Unused => unknown("images in use, which image-steward never removes"),
        Atom::OlderThan(days) => unknown(&format!("only images younger than {days} days")),
        Atom::Always(what) | Atom::AlwaysButRanked(what) => {
            unknown(&format!("the negation of: {what}"))
        }
        Atom::Reduce { .. } => unknown("the newest images of each family"),
        Atom::Unknown { what, line } => Atom::Unknown { what: format!("not: {what}"), line: *line },
    }
}
