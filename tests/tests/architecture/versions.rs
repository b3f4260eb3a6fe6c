//! The versions in docs/versions.md are those of the program.

use std::collections::BTreeMap;
use std::fs;

use steward::model::{Inventory, TagNames};
use steward::policy::Policy;
use steward::saved_plan::SavedPlan;

use super::root;

/// The first table on the page: the formats with their versions.
fn numbers(page: &str) -> BTreeMap<String, u32> {
    let table = page.lines().skip_while(|line| !line.starts_with("| format | number |"));
    let rows = table.skip(2).take_while(|line| line.starts_with('|'));
    let cells = |row: &str| row.split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>();
    rows.map(cells).map(|row| (row[1].clone(), row[2].parse().unwrap())).collect()
}

#[test]
fn the_page_has_the_numbers_of_the_program() {
    let page = fs::read_to_string(root().join("docs/versions.md")).unwrap();
    let mut found = numbers(&page);
    // The stack has this version as an output, not this program.
    assert!(found.remove("CloudFormation template").is_some());
    let program = [
        ("policy", Policy::DOCUMENT.number),
        ("saved inventory", Inventory::DOCUMENT.number),
        ("saved plan", SavedPlan::DOCUMENT.number),
        ("state tags", TagNames::FORMAT),
        ("events", steward::events::VERSION),
    ];
    let program = program.map(|(format, number)| (format.to_owned(), number));
    assert_eq!(found, BTreeMap::from(program));
}

#[test]
fn the_documents_have_the_names_of_the_page() {
    for (kind, key) in [
        (Policy::DOCUMENT, "version"),
        (Inventory::DOCUMENT, "format"),
        (SavedPlan::DOCUMENT, "format"),
    ] {
        assert_eq!(kind.key, key);
        let page = fs::read_to_string(root().join("docs/versions.md")).unwrap();
        let row = format!("| {} | {} | `{key}`", kind.name.trim_start_matches("a "), kind.number);
        assert!(page.contains(&row), "{row}");
    }
}
