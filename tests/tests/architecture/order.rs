//! The order of the core's modules.

use steward_tests::source_text::{Masked, is_word, line_of, mask, places, product_code};

use super::*;

/// The modules of the core, from lowest to highest.
fn core_order() -> Vec<String> {
    modules_of(&fs::read_to_string(root().join("shared/src/lib.rs")).unwrap())
}

/// The names in `pub mod` declarations, in order.
fn modules_of(lib: &str) -> Vec<String> {
    let code = mask(lib, Masked::CommentsAndLiterals);
    let names = code.lines().filter_map(|line| line.trim().strip_prefix("pub mod "));
    names.filter_map(|rest| rest.strip_suffix(';')).map(str::to_owned).collect()
}

/// The first segments of the path, or of the path group, that starts at `at`.
fn first_segments(code: &str, at: usize) -> Vec<String> {
    let segment = |text: &str| text.trim_start().chars().take_while(|c| is_word(*c)).collect();
    let rest = code[at..].trim_start();
    let Some(group) = rest.strip_prefix('{') else { return vec![segment(rest)] };
    let (mut depth, mut start, mut found) = (0_u32, 0, Vec::new());
    for (place, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            ',' if depth == 0 => {
                found.push(segment(&group[start..place]));
                start = place + 1;
            }
            '}' if depth == 0 => {
                found.push(segment(&group[start..place]));
                break;
            }
            '}' => depth -= 1,
            _ => {}
        }
    }
    found.retain(|name: &String| !name.is_empty());
    found
}

/// The modules at the crate root to which a file refers, with their lines.
fn mentions(path: &str, text: &str) -> Vec<(usize, String)> {
    let code = product_code(text, Masked::CommentsAndLiterals);
    let mut found = Vec::new();
    for at in places(&code, "crate::") {
        let names = first_segments(&code, at + "crate::".len());
        found.extend(names.into_iter().map(|name| (line_of(&code, at), name)));
    }
    // A chain of `super::` as long as the module is deep refers to the root too.
    let depth = path.trim_end_matches(".rs").trim_end_matches("/mod").split('/').count();
    let climb = "super::".repeat(depth);
    for at in places(&code, &climb) {
        let names = first_segments(&code, at + climb.len());
        found.extend(names.into_iter().map(|name| (line_of(&code, at), name)));
    }
    found
}

/// References to modules that are not below the referring one.
fn order_violations(order: &[String], files: &[RustFile]) -> Vec<Violation> {
    let mut found = Vec::new();
    for RustFile { path, text } in files.iter().filter(|file| file.path != "lib.rs") {
        let own = path.split('/').next().unwrap().trim_end_matches(".rs");
        let violation = |line, what: String| Violation {
            path: path.clone(),
            line,
            what: format!("{own} {what}"),
        };
        let Some(place) = order.iter().position(|name| name == own) else {
            found.push(violation(1, "is no `pub mod` of lib.rs".to_owned()));
            continue;
        };
        for (line, name) in mentions(path, text) {
            match order.iter().position(|one| *one == name) {
                Some(other) if other <= place => {}
                Some(_) => found
                    .push(violation(line, format!("uses {name}, which stands below it in lib.rs"))),
                None => found.push(violation(line, format!("uses {name}, which is no module"))),
            }
        }
    }
    found.sort();
    found.dedup();
    found
}

#[test]
fn the_modules_of_the_core_use_only_those_above_them() {
    let order = core_order();
    assert!(order.len() > 10, "{order:?}");
    assert_none(&order_violations(&order, &core()));
}

#[test]
fn policy_and_plan_know_nothing_of_the_ports() {
    let order = core_order();
    let place = |name: &str| order.iter().position(|one| one == name).unwrap();
    let files = core();
    for module in ["policy", "plan"] {
        assert!(place(module) < place("cloud"), "{order:?}");
        let own = files.iter().filter(|file| {
            file.path.starts_with(&format!("{module}/")) || file.path == format!("{module}.rs")
        });
        let mut count = 0;
        for RustFile { path, text } in own {
            let names: Vec<_> = mentions(path, text).into_iter().map(|(_, name)| name).collect();
            assert!(!names.contains(&"cloud".to_owned()), "{path}: {names:?}");
            count += 1;
        }
        assert!(count > 2, "{module} has {count} files");
    }
}

#[test]
fn a_module_that_uses_a_higher_one_is_found() {
    let order = modules_of("pub mod model;\n// pub mod never;\npub mod plan;\n\npub mod cloud;\n");
    assert_eq!(order, ["model", "plan", "cloud"]);
    let found = |path: &str, text: &str| shown(&order_violations(&order, &[file(path, text)]));
    let cloud = ["plan/mod.rs:2: plan uses cloud, which stands below it in lib.rs"];
    for text in [
        "\nuse crate::cloud::View;",
        "\nuse crate::{model::Image, cloud::{View, Cloud}};",
        "\nuse crate::{\n    model::{Image, Tags},\n    cloud,\n};",
        "\nfn f(view: &dyn crate::cloud::View) {}",
        "\nuse super::cloud::View;",
        "\npub(in crate::cloud) fn f() {}",
        "\nuse crate::cloud::View;\n#[cfg(test)]\nmod tests {}",
    ] {
        assert_eq!(found("plan/mod.rs", text), cloud, "{text}");
    }
    assert_eq!(found("plan/a/b.rs", "use super::super::super::cloud;").len(), 1);
    for text in [
        "use crate::model::Image;\nuse crate::plan::Plan;",
        "// crate::cloud\n/// [View](crate::cloud::View)\n/* crate::cloud */",
        "const TEXT: &str = \"crate::cloud\";\nconst RAW: &str = r#\"\"crate::cloud\"#;",
        "#[cfg(test)]\nmod tests {\n    use crate::cloud::View;\n    fn f() { let _ = '}'; }\n}",
        "#[cfg(test)]\nuse crate::cloud::View;",
        "fn f<'a>(a: &'a str) -> &'a str { a } // crate::cloud",
    ] {
        assert_eq!(found("plan/mod.rs", text), [] as [&str; 0], "{text}");
    }
    assert_eq!(found("plan/reason.rs", "use super::super::plan;"), [] as [&str; 0]);
    assert_eq!(found("other.rs", ""), ["other.rs:1: other is no `pub mod` of lib.rs"]);
    assert_eq!(found("plan.rs", "use crate::Plan;").len(), 1);
}

#[test]
fn modules_for_tests_are_recognized() {
    assert_eq!(test_modules("plan/mod.rs", "mod a;\n#[cfg(test)]\nmod tests;"), ["plan/tests.rs"]);
    assert_eq!(test_modules("plan/a.rs", "#[cfg(test)]\nmod tests;\nmod b;"), ["plan/a/tests.rs"]);
    assert_eq!(test_modules("plan/a.rs", "#[cfg(test)]\nmod tests { mod c; }"), [] as [&str; 0]);
}
