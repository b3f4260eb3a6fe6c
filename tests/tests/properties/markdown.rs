//! A plan in Markdown contains names and tags of images, which anyone may write. They must always
//! be plain text: a parser for GitHub's Markdown must return every cell unchanged.

use comrak::nodes::{AstNode, NodeValue};
use comrak::{Arena, Options, parse_document};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::json;
use steward::model::{Inventory, Provider, join_in_words};
use steward::plan::{Decision, Plan, plan};
use steward::policy::Policy;
use steward::report::{
    MAX_MARKDOWN_LENGTH, MarkdownPlan, Rows, compare_plans, family_name, plan_markdown,
};
use steward::text_fmt::{excerpt, printable};

use super::cases;
use super::worlds::now;

/// Characters that may have a meaning in Markdown or on GitHub.
const HOSTILE: &[&str] = &[
    "@admin",
    "@org/team",
    "#1",
    "GH-12",
    "owner/repo#3",
    "|",
    "||",
    "`",
    "``",
    "\\",
    "\\|",
    "\\\\|",
    "\n",
    "\r\n",
    "\n\n# ",
    "\t",
    " ",
    "  ",
    "<script>",
    "</code>",
    "<!--",
    "-->",
    "</details>",
    "<details>",
    "<img src=x>",
    "[x](http://e.example)",
    "![x](y)",
    "[",
    "]",
    "(",
    ")",
    "http://evil.example",
    "www.evil.example",
    "a@b.example",
    "<http://e.example>",
    "$",
    "$x$",
    "$$",
    "$`x`$",
    "~~",
    "**",
    "*",
    "_",
    "__",
    ":smile:",
    "&amp;",
    "&#64;",
    "&lt;",
    "deadbeefcafe",
    "0123456789abcdef0123456789abcdef01234567",
    "\u{202e}",
    "\u{200b}",
    "\u{2028}",
    "\u{a0}",
    "é",
    "🌈",
    "- ",
    "1. ",
    "> ",
    "| --- |",
    "[^1]",
    "{",
    "}",
    "web",
    "golden-1.2",
    "'",
    "\"",
    "=",
    "---",
    "===",
    "closes #4",
    "jira-12",
];

fn hostile() -> impl Strategy<Value = String> {
    vec(proptest::sample::select(HOSTILE), 1..8).prop_map(|parts| parts.concat())
}

const POLICY: &str = "version = 1\n[[rule]]\nname = \"web\"\ngroup_by = [\"tag:Family\"]\nkeep = { last = 1, tags = { Keep = \"*\" } }\n\
    [safety]\nmin_references = 0\nrecycle_bin = \"optional\"\n";

/// Images with these names, each in a family of one of these values, and with an optional value of
/// a tag in `keep.tags`.
fn planned(images: &[(String, String, Option<String>)], policy: &str) -> Plan {
    let images: Vec<_> = images
        .iter()
        .enumerate()
        .map(|(n, (name, family, keep))| {
            let tags = match keep {
                Some(keep) => json!({ "Family": family, "Keep": keep }),
                None => json!({ "Family": family }),
            };
            json!({
                "image_id": format!("ami-{n:03}"), "name": name, "owner_id": "123456789012", "state": "available",
                "created_at": "2026-01-01T00:00:00Z", "architecture": "x86_64", "snapshots": [], "tags": tags,
                "launch_permissions": [],
            })
        })
        .collect();
    let inventory = json!({
        "format": 1, "account": "123456789012", "region": "eu-central-1", "taken_at": "2026-11-22T12:00:00Z", "images": images,
        "references": [],
    });
    let inventory = Inventory::from_json(&inventory.to_string()).unwrap();
    plan(&inventory, &Policy::parse(policy, "p").unwrap(), now())
}

/// The document, parsed with GitHub's extensions.
fn options() -> Options<'static> {
    let mut options = Options::default();
    options.extension.table = true;
    options.extension.autolink = true;
    options.extension.strikethrough = true;
    options.extension.tasklist = true;
    options.extension.footnotes = true;
    options.extension.math_dollars = true;
    options.extension.math_code = true;
    options.extension.alerts = true;
    options
}

/// The text, and the part of it that is not code.
#[derive(Default)]
struct Said {
    all: String,
    prose: String,
}

/// The text of a node. Panics at unexpected HTML.
fn said<'a>(node: &'a AstNode<'a>) -> Said {
    let (mut said, mut in_code) = (Said::default(), false);
    for one in node.descendants() {
        match &one.data.borrow().value {
            NodeValue::Text(text) => {
                said.all.push_str(text);
                if !in_code {
                    said.prose.push_str(text);
                }
            }
            NodeValue::Code(code) => said.all.push_str(&code.literal),
            NodeValue::HtmlInline(html) => match html.as_str() {
                "<code>" if !in_code => in_code = true,
                "</code>" if in_code => in_code = false,
                "<wbr>" if in_code => {}
                "<sub>" | "</sub>" if !in_code => {}
                other => panic!("HTML: {other:?}"),
            },
            NodeValue::SoftBreak | NodeValue::LineBreak => panic!("a line break"),
            _ => {}
        }
    }
    assert!(!in_code, "code that does not end");
    said
}

/// Panics if the document contains anything but text, tables and our own blocks.
fn check_harmless<'a>(root: &'a AstNode<'a>) {
    for node in root.descendants() {
        match &node.data.borrow().value {
            NodeValue::Document
            | NodeValue::Paragraph
            | NodeValue::Text(_)
            | NodeValue::Code(_)
            | NodeValue::HtmlInline(_)
            | NodeValue::Table(_)
            | NodeValue::TableRow(_)
            | NodeValue::TableCell
            | NodeValue::List(_)
            | NodeValue::Item(_)
            | NodeValue::Alert(_) => {}
            NodeValue::Heading(heading) => assert!([3, 4].contains(&heading.level)),
            NodeValue::HtmlBlock(block) => {
                let text = block.literal.trim_end();
                let title = text
                    .strip_prefix("<details><summary>")
                    .and_then(|rest| rest.strip_suffix("</summary>"));
                let is_ours = title.is_some_and(|title| !title.contains(['<', '>', '&', '@', '#']));
                assert!(is_ours || text == "</details>", "{text}");
            }
            other => panic!("{other:?}"),
        }
        if matches!(node.data.borrow().value, NodeValue::Paragraph | NodeValue::TableCell) {
            let prose = said(node).prose;
            // Text that GitHub would turn into a link or an image.
            for mark in ['@', '#', '/', '$', '\\', '`', '<', '&', '_'] {
                assert!(!prose.contains(mark), "{mark} in {prose:?}");
            }
            for mark in ["www.", ":smile:", "GH-12", "jira-12"] {
                assert!(!prose.contains(mark), "{mark} in {prose:?}");
            }
            // Only a whole word is a commit: `deadbeefcafecloses` is none.
            let mut words = prose.split(|one: char| !one.is_alphanumeric());
            let is_commit = |word: &str| {
                word.starts_with("deadbeefcafe") && word.chars().all(|one| one.is_ascii_hexdigit())
            };
            assert!(!words.any(is_commit), "a commit in {prose:?}");
        }
    }
}

/// The cells of all tables whose header starts with `first`, without the header.
fn rows<'a>(root: &'a AstNode<'a>, first: &str) -> Vec<Vec<String>> {
    let is_table = |node: &&AstNode<'_>| matches!(node.data.borrow().value, NodeValue::Table(_));
    let mut all = Vec::new();
    for table in root.descendants().filter(is_table) {
        let mut rows = table
            .children()
            .map(|row| row.children().map(|cell| said(cell).all).collect::<Vec<_>>());
        if rows.next().is_some_and(|header| header[0] == first) {
            all.extend(rows);
        }
    }
    all
}

fn words(text: &str) -> String {
    let text = printable(text);
    text.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

fn reasons(decision: &Decision) -> String {
    let reasons = join_in_words(&decision.reasons, Provider::Aws.words(), "; ");
    words(&excerpt(&reasons, 300))
}

proptest! {
    #![proptest_config(cases(400))]

    #[test]
    fn names_and_tags_are_never_more_than_text(
        images in vec((hostile(), hostile(), proptest::option::of(hostile())), 1..6),
        files in (hostile(), hostile()),
        message in hostile(),
    ) {
        let new = planned(&images, POLICY);
        let old = planned(&images, &POLICY.replace("last = 1", "last = 2"));
        let comparison = compare_plans((&files.0, &new), (&files.1, &old));
        let text = plan_markdown(&MarkdownPlan {
            plan: &new,
            snapshots: None,
            rows: &Rows::All,
            alerts: std::slice::from_ref(&message),
            origin: Some(&message),
            comparison: Some(&comparison),
        });
        let arena = Arena::new();
        let root = parse_document(&arena, &text, &options());
        check_harmless(root);

        let found = rows(root, "Image");
        let shown = &found[comparison.changes.len()..];
        prop_assert_eq!(shown.len(), images.len());
        for decision in &new.decisions {
            let row = shown.iter().find(|row| row[0] == decision.image_id.as_str()).unwrap();
            prop_assert_eq!(&row[1], &excerpt(&decision.name, 160));
            prop_assert_eq!(row.last().unwrap(), &reasons(decision));
        }
        for (row, change) in found.iter().zip(&comparison.changes) {
            prop_assert_eq!(&row[1], &excerpt(&change.name, 160));
            prop_assert_eq!(row.len(), 6);
        }
        for row in rows(root, "Family") {
            let families: Vec<String> = new.decisions.iter().filter_map(|one| {
                Some(excerpt(&family_name(one.rule.as_deref()?, one.family.as_deref()?), 160))
            }).collect();
            prop_assert!(families.contains(&row[0]), "{} is none of {families:?}", row[0]);
        }
        let alert = root.descendants().find(|node| matches!(node.data.borrow().value, NodeValue::Alert(_)));
        prop_assert_eq!(said(alert.unwrap()).all, words(&message));
    }
}

#[test]
fn a_long_plan_is_cut_by_whole_rows_and_says_so() {
    // A character of four bytes counts as one.
    let images: Vec<_> = (0..3_000)
        .map(|n| (format!("{n}-{}", "🌈".repeat(100)), format!("f{}", n % 700), None))
        .collect();
    let new = planned(&images, POLICY);
    let old = planned(&images, &POLICY.replace("last = 1", "last = 2"));
    let comparison = compare_plans(("new.toml", &new), ("old.toml", &old));
    let text = plan_markdown(&MarkdownPlan {
        plan: &new,
        snapshots: None,
        rows: &Rows::Changes,
        alerts: &[],
        origin: None,
        comparison: Some(&comparison),
    });
    let length = text.chars().count();
    assert!(length <= MAX_MARKDOWN_LENGTH, "{length}");
    assert!(length > MAX_MARKDOWN_LENGTH - 2_000, "{length}: there was room for more");
    assert!(text.len() <= 262_144, "{} bytes", text.len());
    let arena = Arena::new();
    let root = parse_document(&arena, &text, &options());
    check_harmless(root);
    let left_out = |text: &str| -> Vec<usize> {
        let lines = text.lines().filter_map(|line| line.split_once(" more rows omitted"));
        lines.map(|(count, _)| count.replace(',', "").parse().unwrap()).collect()
    };
    let rows = rows(root, "Image").len() + self::rows(root, "Family").len();
    let wanted = comparison.changes.len() + new.summary.expired_total + 700;
    assert_eq!(rows + left_out(&text).iter().sum::<usize>(), wanted);
    assert_eq!(left_out(&text).len(), 3, "{:?}", left_out(&text));
}
