//! Mutating XML, element by element.

use std::collections::BTreeSet;
use std::ops::Range;

use xmlparser::{ElementEnd, Token, Tokenizer};

/// An element, by its position in the text.
struct Element {
    name: String,
    /// The names from below the root to this element.
    path: String,
    /// The whole element, including its tags.
    whole: Range<usize>,
    /// The content between its tags; empty for `<name/>`.
    inner: Range<usize>,
    is_leaf: bool,
    /// The previous element with the same parent.
    before: Option<usize>,
}

/// The elements below the root, in the order of their end tags.
fn elements(text: &str) -> Vec<Element> {
    struct OpenTag {
        name: String,
        start: usize,
        inner: usize,
        has_children: bool,
        last_child: Option<usize>,
    }
    let mut found = Vec::new();
    let mut open: Vec<OpenTag> = Vec::new();
    for token in Tokenizer::from(text) {
        match token.unwrap() {
            Token::ElementStart { local, span, .. } => {
                if let Some(parent) = open.last_mut() {
                    parent.has_children = true;
                }
                let (name, start) = (local.as_str().to_owned(), span.start());
                open.push(OpenTag { name, start, inner: 0, has_children: false, last_child: None });
            }
            Token::ElementEnd { end: ElementEnd::Open, span } => {
                open.last_mut().unwrap().inner = span.end();
            }
            Token::ElementEnd { end, span } => {
                let one = open.pop().unwrap();
                let inner = match end {
                    ElementEnd::Empty => span.end()..span.end(),
                    _ => one.inner..span.start(),
                };
                let Some(parent) = open.last_mut() else { continue };
                let before = parent.last_child.replace(found.len());
                let names = open.iter().skip(1).map(|one| one.name.as_str());
                let names: Vec<&str> = names.chain([one.name.as_str()]).collect();
                found.push(Element {
                    path: names.join("/"),
                    whole: one.start..span.end(),
                    inner,
                    is_leaf: !one.has_children,
                    before,
                    name: one.name,
                });
            }
            _ => {}
        }
    }
    found
}

/// The paths of all elements below the root.
pub fn paths(text: &str) -> BTreeSet<String> {
    elements(text).into_iter().map(|element| element.path).collect()
}

/// The text with `range` replaced.
fn replaced(text: &str, range: Range<usize>, by: &str) -> String {
    format!("{}{by}{}", &text[..range.start], &text[range.end..])
}

/// The mutated texts, each with its change. `optional` returns whether the element at a path may be
/// absent in a valid response.
pub fn mutations(text: &str, optional: impl Fn(&str) -> bool) -> Vec<(String, String)> {
    let all = elements(text);
    let mut found = Vec::new();
    for element in &all {
        let Element { name, path, whole, inner, is_leaf, before } = element;
        let content = &text[inner.clone()];
        let mut push = |what: &str, body: String| found.push((format!("{path} {what}"), body));
        // An unknown new element may occur anywhere in a structure.
        push(
            "after an unknown one",
            replaced(text, whole.start..whole.start, "<tomorrow>1</tomorrow>"),
        );
        if let Some(before) = before.and_then(|at| all.get(at)) {
            let moved = format!("{}{}", &text[whole.clone()], &text[before.whole.clone()]);
            push("before its neighbour", replaced(text, before.whole.start..whole.end, &moved));
        }
        let renamed = || replaced(text, whole.clone(), &format!("<{name}X>{content}</{name}X>"));
        if matches!(name.as_str(), "item" | "member") {
            // A missing item cannot be noticed.
            push("renamed", renamed());
        } else if !optional(path) {
            push("left out", replaced(text, whole.clone(), ""));
            push("renamed", renamed());
        }
        push("again and empty", replaced(text, whole.end..whole.end, &format!("<{name}/>")));
        push(
            "first empty",
            replaced(text, whole.start..whole.start, &format!("<{name}></{name}>")),
        );
        // An empty list is valid for another account.
        let is_list = content.starts_with("<item") || content.starts_with("<member");
        if !is_list && !optional(path) {
            push("emptied", replaced(text, whole.clone(), &format!("<{name}/>")));
        }
        push(
            "commented out",
            replaced(text, whole.clone(), &format!("<!--{}-->", &text[whole.clone()])),
        );
        let other = match is_leaf {
            true => format!("<{name}><item>{content}</item></{name}>"),
            false => format!("<{name}>1</{name}>"),
        };
        push("in another shape", replaced(text, whole.clone(), &other));
        if *is_leaf && content.len() > 2 {
            let middle = inner.start + content.len() / 2;
            if text.is_char_boundary(middle) {
                push("with a comment inside", replaced(text, middle..middle, "<!-- -->"));
            }
            push("as CDATA", replaced(text, inner.clone(), &format!("<![CDATA[{content}]]>")));
        }
    }
    let root = text.rfind("</").map_or("", |at| &text[at..]);
    // A prime number, so that the positions are spread over tags and texts.
    for cut in (1..text.len()).step_by(13).filter(|cut| text.is_char_boundary(*cut)) {
        found.push((format!("cut at {cut}"), text[..cut].to_owned()));
        if cut < text.len() - root.len() {
            found.push((format!("cut at {cut} and closed"), format!("{}{root}", &text[..cut])));
        }
    }
    found
}
