//! Type names are unique.

use std::collections::BTreeMap;

use steward_tests::source_text::{Masked, is_word, mask};

use super::*;

/// The names of types that a text defines, with their lines. Aliases count only at the top level:
/// in an `impl` they are associated types.
fn types_of(text: &str) -> Vec<(usize, String)> {
    let code = mask(text, Masked::CommentsAndLiterals);
    let mut found = Vec::new();
    for (number, line) in (1..).zip(code.lines()) {
        let indented = line.starts_with(' ');
        let mut rest = line.trim_start();
        if let Some(after) = rest.strip_prefix("pub") {
            rest = match after.strip_prefix('(') {
                Some(scope) => scope.split_once(')').map_or("", |(_, rest)| rest),
                None => after,
            };
        }
        let words = ["struct ", "enum ", "trait ", "union ", "type "];
        let word = words.into_iter().find(|word| rest.trim_start().starts_with(word));
        let Some(word) = word.filter(|word| !(indented && *word == "type ")) else { continue };
        let name: String =
            rest.trim_start()[word.len()..].chars().take_while(|c| is_word(*c)).collect();
        if !name.is_empty() {
            found.push((number, name));
        }
    }
    found
}

/// The types with the same name as another one.
fn name_violations(files: &[RustFile]) -> Vec<Violation> {
    let mut defined: BTreeMap<String, Vec<(String, usize)>> = BTreeMap::new();
    for RustFile { path, text } in files {
        for (line, name) in types_of(text) {
            defined.entry(name).or_default().push((path.clone(), line));
        }
    }
    let several = defined.into_iter().filter(|(_, places)| places.len() > 1);
    let violations = several.flat_map(|(name, places)| {
        let what = format!("{name} is defined {} times", places.len());
        places.into_iter().map(move |(path, line)| Violation { path, line, what: what.clone() })
    });
    violations.collect()
}

#[test]
fn no_type_name_is_defined_twice() {
    assert_none(&name_violations(&rust_files(&root())));
}

#[test]
fn a_type_name_that_is_defined_twice_is_found() {
    let found = |texts: &[&str]| {
        let files: Vec<_> =
            (1..).zip(texts).map(|(n, text)| file(&format!("{n}.rs"), text)).collect();
        shown(&name_violations(&files))
    };
    let twice = ["1.rs:1: Port is defined 2 times", "2.rs:2: Port is defined 2 times"];
    assert_eq!(found(&["pub struct Port;", "\nenum Port { A }"]), twice);
    assert_eq!(found(&["pub(super) trait Port {}", "\ntype Port = u8;"]), twice);
    assert_eq!(found(&["struct Port<'a>(&'a str);", "\n    struct Port {"]), twice);
    let harmless = [
        "struct Port;\nimpl FromStr for Port {\n    type Err = Error;\n}",
        "struct PortNumber;\nimpl FromStr for PortNumber {\n    type Err = Error;\n}",
        "// struct Port;\nconst TEXT: &str = \"struct Port;\";\nmacro_rules! id { () => { struct $name; } }",
    ];
    assert_eq!(found(&harmless), [] as [&str; 0]);
}
