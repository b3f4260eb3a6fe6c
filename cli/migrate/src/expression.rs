//! What selects an image, as alternatives of conditions that must all hold.

use std::cmp::Reverse;
use std::fmt;

use steward::suggest::shown;

/// More alternatives than this are no rules for people.
pub const MOST: usize = 16;
pub const TOO_MANY: &str = "filters with more than 16 alternatives";

/// Something that holds for an image or not.
#[derive(Debug, Clone, PartialEq)]
pub enum Atom {
    /// Nothing that they know uses it.
    Unused,
    /// It is older than so many days.
    OlderThan(f64),
    /// A glob over a field, or that it does not match.
    Field {
        field: Field,
        glob: String,
        negated: bool,
        /// Whether it matches all that theirs does; otherwise fewer.
        exact: bool,
    },
    /// It carries a mark that another policy left, or not.
    Mark { mark: Mark, negated: bool, line: usize },
    /// Always so with the images that ours would touch; the text says why.
    Always(String),
    /// The same, but images of which it is not so take a place among the newest here.
    AlwaysButRanked(String),
    /// All but the newest of each group, among the images of which the atoms before it hold.
    Reduce { last: u32, group_by: Option<String> },
    /// What ours cannot ask, and where it stands.
    Unknown { what: String, line: usize },
}

/// What a policy leaves on an image for another one: the tag, and what it says will be done.
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

/// What a glob is about.
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

/// Atoms and what joins them.
#[derive(Debug, Clone)]
pub enum Expression {
    Is(Atom),
    All(Vec<Expression>),
    Any(Vec<Expression>),
    Not(Box<Expression>, usize),
    /// What holds for an image when theirs does, or fewer images; and the same when theirs does not.
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
    /// The marks that are asked for; those that must not be there are not.
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

/// The alternatives; `None` when there are too many.
pub fn alternatives(expression: &Expression) -> Option<Vec<Vec<Atom>>> {
    expand(expression, false, 0)
}

/// Puts those that ask for more before those that ask for less, which would leave nothing to them:
/// the first rule that matches decides. An exception by tag is no condition of a match.
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
            "an exception by a pattern of which ours, `{}`, would except fewer images",
            shown(glob)
        )),
        Atom::Mark { mark, negated, line } => {
            Atom::Mark { mark: mark.clone(), negated: !negated, line: *line }
        }
        Atom::Unused => unknown("images in use, which ours never touches"),
        Atom::OlderThan(days) => unknown(&format!("only images younger than {days} days")),
        Atom::Always(what) | Atom::AlwaysButRanked(what) => {
            unknown(&format!("the opposite of: {what}"))
        }
        Atom::Reduce { .. } => unknown("the newest images of each group"),
        Atom::Unknown { what, line } => Atom::Unknown { what: format!("not: {what}"), line: *line },
    }
}
