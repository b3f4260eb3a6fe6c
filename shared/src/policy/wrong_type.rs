//! Messages about values of the wrong type, for example a list instead of a glob, or a number
//! instead of a string. Each message shows the value and a valid replacement for it.

use serde_json::Value;

use super::Glob;

/// The message for `value`, where serde reported `message`; `None` if the error is not about the
/// type of the value.
pub(super) fn explained(message: &str, value: &Value) -> Option<String> {
    let (_, expected) = message.strip_prefix("invalid type: ")?.rsplit_once(", expected ")?;
    let (expected, remedy) = match expected {
        "a string" => ("a quoted string", as_text(value)),
        "a sequence" => ("a list", as_list(value)),
        "a map" => ("a table", as_table(value)),
        "a boolean" => ("true or false", Some("true or false, without quotes".to_owned())),
        other => (other, None),
    };
    let remedy = remedy.map(|remedy| format!("; write {remedy}")).unwrap_or_default();
    Some(format!("{} is not {expected}{remedy}", written(value)))
}

/// A number, a boolean, or the only string of a list, as a quoted string.
fn as_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(in_quotes(text)),
        Value::Number(_) | Value::Bool(_) => Some(in_quotes(&value.to_string())),
        Value::Array(list) => match list.as_slice() {
            [one @ Value::String(_)] => as_text(one),
            _ => Some("one quoted string".to_owned()),
        },
        Value::Object(_) | Value::Null => None,
    }
}

/// A list with the value as its only element.
fn as_list(value: &Value) -> Option<String> {
    match value {
        Value::String(_) | Value::Number(_) | Value::Bool(_) => {
            as_text(value).map(|text| format!("[{text}]"))
        }
        Value::Object(_) => Some("a list in [ ], or one [[rule]] table for each rule".to_owned()),
        Value::Array(_) | Value::Null => None,
    }
}

/// A table that has the strings as keys, with any value.
fn as_table(value: &Value) -> Option<String> {
    let keys = match value {
        Value::Array(list) => list.as_slice(),
        one => std::slice::from_ref(one),
    };
    let entries: Option<Vec<String>> =
        keys.iter().map(|key| Some(format!("{} = \"*\"", in_quotes(key.as_str()?)))).collect();
    let entries = entries.filter(|entries| !entries.is_empty())?;
    Some(shortened(&format!("{{ {} }}", entries.join(", "))))
}

/// A replacement for `value` where a glob is expected.
pub(super) fn as_glob(value: &Value) -> String {
    const EXAMPLE: &str = "for example \"golden-*\"";
    const EXAMPLES: &str = "one glob, for example \"{golden-*,web-*}\" for two alternatives";
    match value {
        Value::Number(_) | Value::Bool(_) => in_quotes(&value.to_string()),
        Value::Array(list) => {
            let globs: Option<Vec<&str>> = list.iter().map(Value::as_str).collect();
            let any = globs.filter(|globs| !globs.is_empty()).map(|globs| any_of(&globs));
            let any = any.filter(|any| Glob::new(any).is_ok());
            any.map_or_else(|| EXAMPLES.to_owned(), |any| in_quotes(&any))
        }
        Value::String(_) | Value::Object(_) | Value::Null => EXAMPLE.to_owned(),
    }
}

/// A glob that matches everything that any of `globs` matches.
fn any_of(globs: &[&str]) -> String {
    match globs {
        [one] => (*one).to_owned(),
        _ => {
            let choices: Vec<String> = globs.iter().map(|glob| as_choice(glob)).collect();
            format!("{{{}}}", choices.join(","))
        }
    }
}

/// `glob` as an alternative inside braces. Its commas are escaped because they would separate
/// alternatives.
fn as_choice(glob: &str) -> String {
    let mut choice = String::with_capacity(glob.len());
    let mut characters = glob.char_indices().peekable();
    let mut depth = 0_usize;
    while let Some((at, character)) = characters.next() {
        match character {
            ',' if depth == 0 => choice.push_str("[,]"),
            '\\' => {
                choice.push('\\');
                choice.extend(characters.next().map(|(_, next)| next));
            }
            '[' => {
                // Commas inside a set are not escaped. The set may begin with a literal `]`.
                let end = Glob::end_of_set(glob.get(at..).unwrap_or_default());
                let set = glob.get(at..at + end).unwrap_or_default();
                choice.push_str(set);
                while characters.next_if(|(next, _)| *next < at + end).is_some() {}
            }
            other => {
                match other {
                    '{' => depth += 1,
                    '}' => depth = depth.saturating_sub(1),
                    _ => {}
                }
                choice.push(other);
            }
        }
    }
    choice
}

/// A quoted string that is valid in both TOML and JSON.
fn in_quotes(text: &str) -> String {
    Value::from(text).to_string()
}

/// Formats a value for messages: strings in backquotes, other values as JSON.
pub(super) fn written(value: &Value) -> String {
    value.as_str().map_or_else(|| shortened(&value.to_string()), quoted)
}

/// Formats text in backquotes for messages.
pub(super) fn quoted(text: &str) -> String {
    format!("`{}`", shortened(text))
}

/// Cuts text that is too long for a message.
pub(super) fn shortened(text: &str) -> String {
    const MAX_SHOWN: usize = 100;
    match text.char_indices().nth(MAX_SHOWN) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_replaced_by_a_glob_with_the_same_matches() {
        for (globs, expected) in [
            (&["a*", "b*"][..], "{a*,b*}"),
            (&["a*"], "a*"),
            (&["a,b", "c"], "{a[,]b,c}"),
            (&["{a,b}-c", "d,{e,f}"], "{{a,b}-c,d[,]{e,f}}"),
            (&["[a,]x", "b"], "{[a,]x,b}"),
            (&["[],]x", "b"], "{[],]x,b}"),
            (&["[!],a]x", "b"], "{[!],a]x,b}"),
            (&[r"\{a", r"b\,c"], r"{\{a,b\,c}"),
            (&["", "a"], "{,a}"),
            (&["ü,ö", "é"], "{ü[,]ö,é}"),
        ] {
            let any = any_of(globs);
            assert_eq!(any, expected);
            let any = Glob::new(&any).unwrap();
            for text in [
                "a", "ab", "a,b", "a-c", "d,e", "d,f", "d", ",x", "ax", "{a", "b,c", "", "]x",
                "ü,ö", "c",
            ] {
                let either = globs.iter().any(|glob| Glob::new(glob).unwrap().is_match(text));
                assert_eq!(any.is_match(text), either, "{any} {text}");
            }
        }
    }

    /// The errors of a policy with this text.
    fn errors(text: &str) -> Vec<String> {
        let text = format!("version = 1\n{text}");
        let error = crate::policy::Policy::parse(&text, "p.toml").expect_err(&text);
        error.to_string().lines().map(str::to_owned).collect()
    }

    #[test]
    fn a_list_instead_of_a_glob_is_an_error_with_a_glob() {
        let of_rule = |line: &str| format!("[[rule]]\nname = \"a\"\n{line}\n");
        let keeping = |line: &str| of_rule(&format!("keep = {{ last = 1 }}\n{line}"));
        let list = r#"["a*", "b,c"]"#;
        for (text, place) in [
            (keeping(&format!("match.name = {list}")), "5:14: rule[0].match.name"),
            (keeping(&format!("match.architecture = {list}")), "5:22: rule[0].match.architecture"),
            (keeping(&format!("match.platform = {list}")), "5:18: rule[0].match.platform"),
            (keeping(&format!("match.owner_alias = {list}")), "5:21: rule[0].match.owner_alias"),
            (keeping(&format!("match.tags.Team = {list}")), "5:19: rule[0].match.tags.Team"),
            (keeping(&format!("match.not.name = {list}")), "5:18: rule[0].match.not.name"),
            (of_rule(&format!("keep.tags.Team = {list}")), "4:18: rule[0].keep.tags.Team"),
            (keeping(&format!("[safety]\nkeep_tags.Team = {list}")), "6:18: safety.keep_tags.Team"),
        ] {
            let wanted = format!(
                r#"p.toml:{place}: ["a*","b,c"] is not a quoted glob; write "{{a*,b[,]c}}""#
            );
            assert_eq!(errors(&text), [wanted], "{text}");
        }
    }

    #[test]
    fn every_value_of_the_wrong_type_has_a_remedy() {
        const A: &str = "[[rule]]\nname = \"a\"\nkeep = { last = 1 }\n";
        for (text, message) in [
            ("match.name = 5", r#"rule[0].match.name: 5 is not a quoted glob; write "5""#),
            ("match.name = true", r#"rule[0].match.name: true is not a quoted glob; write "true""#),
            (
                "match.name = { like = 'a' }",
                r#"rule[0].match.name: {"like":"a"} is not a quoted glob; write for example "golden-*""#,
            ),
            (
                "match.tags = ['Team', 'App']",
                r#"rule[0].match.tags: ["Team","App"] is not a table; write { "Team" = "*", "App" = "*" }"#,
            ),
            (
                "match.tags = 'Team'",
                r#"rule[0].match.tags: `Team` is not a table; write { "Team" = "*" }"#,
            ),
            ("match = 'a*'", "rule[0].match: `a*` is not a table"),
            (
                "group_by = 'tag:Family'",
                r#"rule[0].group_by: `tag:Family` is not a list; write ["tag:Family"]"#,
            ),
            (
                "[safety]\npinned = 'ami-1'",
                r#"safety.pinned: `ami-1` is not a list; write ["ami-1"]"#,
            ),
            (
                "[safety]\nkeep_tags = ['Hold']",
                r#"safety.keep_tags: ["Hold"] is not a table; write { "Hold" = "*" }"#,
            ),
            ("[tagging]\nset = ['A']", r#"tagging.set: ["A"] is not a table; write { "A" = "*" }"#),
            ("[tagging.set]\nA = 5", r#"tagging.set.A: 5 is not a quoted string; write "5""#),
            (
                "[tagging.set]\nA = ['b']",
                r#"tagging.set.A: ["b"] is not a quoted string; write "b""#,
            ),
            (
                "[tagging]\ncopy_to_snapshots = 'yes'",
                "tagging.copy_to_snapshots: `yes` is not true or false; write true or false, without quotes",
            ),
        ] {
            let found = errors(&format!("{A}{text}\n"));
            assert_eq!(found.len(), 1, "{found:?}");
            assert!(found[0].ends_with(message), "\n   found {}\nexpected {message}", found[0]);
        }
        let found = errors("timezone = 1\n[rule]\nname = 'a'\n");
        assert!(
            found[0].ends_with(r#" timezone: 1 is not a quoted string; write "1""#),
            "{found:?}"
        );
        assert!(
            found[1].contains(
                "is not a list; write a list in [ ], or one [[rule]] table for each rule"
            ),
            "{found:?}"
        );
    }

    #[test]
    fn other_lists_get_an_example() {
        for value in ["[]", "[1]", r#"["["]"#, r#"["a", ["b"]]"#, "{}", "null"] {
            let value: Value = serde_json::from_str(value).unwrap();
            assert!(as_glob(&value).contains("for example"), "{value}");
        }
    }
}
