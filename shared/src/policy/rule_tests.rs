//! What a rule keeps, and what overrides it.

use super::*;

fn parse(text: &str) -> Policy {
    Policy::parse(&format!("version = 1\n{text}"), "p.toml")
        .unwrap_or_else(|error| panic!("{error}"))
}

fn errors(text: &str) -> Vec<String> {
    let error = Policy::parse(&format!("version = 1\n{text}"), "p.toml").expect_err(text);
    error.to_string().lines().map(str::to_owned).collect()
}

fn rule(lines: &str) -> String {
    format!("[[rule]]\nname = \"a\"\n{lines}\n")
}

#[test]
fn keep_all_keeps_every_image_and_excludes_retire() {
    let Keep { all, last, at_least, .. } = parse(&rule("keep = \"all\"")).rules[0].keep.clone();
    assert_eq!((all, last, at_least), (true, 0, 0));
    assert!(!parse(&rule("keep.last = 1")).rules[0].keep.all);
    let json = r#"{"version":1,"rule":[{"name":"a","keep":"all"}]}"#;
    assert!(Policy::parse(json, "p.json").unwrap().rules[0].keep.all);
    for retire in ["retire = {}", "retire.deregister_after = \"30d\""] {
        let found = errors(&rule(&format!("keep = \"all\"\n{retire}")));
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with("p.toml:5:"), "{found:?}");
        assert!(
            found[0].contains(
                " rule[0].retire: a rule with `keep = \"all\"` retires nothing; remove `retire`"
            ),
            "{found:?}"
        );
    }
}

#[test]
fn a_keep_that_is_neither_all_nor_a_table_is_an_error() {
    for (keep, shown) in [
        ("\"most\"", "`most`"),
        ("\"All\"", "`All`"),
        ("5", "5"),
        ("true", "true"),
        ("[\"all\"]", "[\"all\"]"),
    ] {
        let found = errors(&rule(&format!("keep = {keep}")));
        let wanted = format!(
            "p.toml:4:8: rule[0].keep: {shown} is not \"all\" or a table such as `keep = {{ last = 5 }}`"
        );
        assert_eq!(found, [wanted]);
    }
    for keep in ["keep = {}", ""] {
        let found = errors(&rule(keep));
        assert!(found[0].ends_with("or `keep = \"all\"` for every image"), "{found:?}");
    }
    // Errors inside the table keep their positions.
    let found = errors(&rule("keep = { last = -1, lastt = 3, tags = { A = [1] } }"));
    for (found, place) in found.iter().zip(["last: -1", "lastt: unknown key", "tags.A: [1] is not"])
    {
        assert!(found.contains(&format!(" rule[0].keep.{place}")), "{found}");
    }
    assert_eq!(found.len(), 3, "{found:?}");
}

#[test]
fn shared_images_of_a_rule_overrides_safety() {
    use SharedImages::{Keep, Retire};
    for (of_rule, of_safety, effective) in [
        (None, None, Keep),
        (None, Some("keep"), Keep),
        (None, Some("retire"), Retire),
        (Some("keep"), None, Keep),
        (Some("keep"), Some("retire"), Keep),
        (Some("retire"), None, Retire),
        (Some("retire"), Some("keep"), Retire),
    ] {
        let line = |word: Option<&str>| {
            word.map(|word| format!("shared_images = \"{word}\"\n")).unwrap_or_default()
        };
        let text = format!(
            "{}[safety]\n{}",
            rule(&format!("keep.last = 1\n{}", line(of_rule))),
            line(of_safety)
        );
        assert_eq!(parse(&text).rules[0].shared_images, effective, "{text}");
    }
    let found = errors(&rule("keep.last = 1\nshared_images = \"sell\""));
    assert_eq!(
        found,
        [
            "p.toml:5:17: rule[0].shared_images: `sell` is not a valid value; use \"keep\" or \"retire\""
        ]
    );
}

#[test]
fn safety_keep_tags_are_trusted() {
    let text = format!(
        "{}[safety]\nkeep_tags = {{ Team = \"{{core,web}}\", Hold = \"*\" }}\n",
        rule("match.tags.Team = \"*\"\nkeep.last = 1")
    );
    let policy = parse(&text);
    let among = |tags: &[(&str, &str)]| {
        let tags: Tags = tags.iter().copied().collect();
        let kept: Vec<_> = policy.safety.keep_tags_among(&tags).collect();
        kept.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(among(&[("Team", "core"), ("Other", "x")]), "Team=core");
    assert_eq!(among(&[("Hold", ""), ("Team", "web")]), "Hold= Team=web");
    assert_eq!(among(&[("Team", "core2"), ("hold", "x"), ("team", "core")]), "");
    let trusted = policy.trusted_tags();
    let uses: Vec<_> = trusted
        .iter()
        .map(|tag| {
            let uses: Vec<_> = tag.uses.iter().map(ToString::to_string).collect();
            format!("{}: {}", tag.key, uses.join(", "))
        })
        .collect();
    assert_eq!(
        uses,
        [
            "Hold: safety.keep_tags",
            "Team: match of rule a, safety.keep_tags",
            "image-steward:keep: exclusion"
        ]
    );
    let json = serde_json::to_value(&trusted[0]).unwrap();
    assert_eq!(json, serde_json::json!({ "key": "Hold", "uses": [{ "use": "safety_keep" }] }));
}
