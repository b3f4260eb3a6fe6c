use super::*;
use crate::model::Inventory;
use crate::report::{OutputStyle, Rows, plan_text};

fn noted(images: &str, unread: &str, policy: &str) -> crate::plan::Plan {
    let inventory = format!(
        r#"{{"format":1,"account":"123456789012","region":"eu-central-1","taken_at":"2026-11-22T12:00:00Z",
            "images":[{images}],"references":[],"unread":[{unread}]}}"#
    );
    let inventory = Inventory::from_json(&inventory).unwrap_or_else(|error| panic!("{error}"));
    let policy = Policy::parse(&format!("version = 1\n{policy}"), "p").unwrap();
    crate::plan::plan(&inventory, &policy, inventory.taken_at)
}

const IMAGE: &str =
    r#"{"image_id":"ami-1","name":"web-1","state":"available","tags":{"IMAGE-STEWARD:KEEP":""}}"#;
const POLICY: &str = "[[rule]]\nname = \"db\"\nmatch = { name = \"db-*\" }\nkeep = { last = 1 }\n";

#[test]
fn notes_are_printed_before_decisions() {
    let plan = noted(IMAGE, "", POLICY);
    let text = plan_text(&plan, None, None, &Rows::Changes.into(), OutputStyle::Plain);
    let lines: Vec<_> = text.lines().skip(2).take(4).collect();
    assert_eq!(lines[0], "note: rule db: no image matches; no name matches `db-*`");
    assert!(lines[1].starts_with("note: the tag IMAGE-STEWARD:KEEP on "), "{text}");
    assert!(lines[1].contains(" on ami-1 has no effect") && lines[2].is_empty(), "{text}");
    let json = serde_json::to_string(&plan).unwrap();
    assert_eq!(serde_json::from_str::<crate::plan::Plan>(&json).unwrap(), plan);
}

#[test]
fn a_wait_longer_than_the_retention_is_noted() {
    let noted_with = |days: u32, after: &str, rest: &str| {
        let rule = |of: &str| {
            format!(r#"{{"rule_id":"{of}","resource":"{of}","days":{days},"in_effect":true}}"#)
        };
        let inventory = format!(
            r#"{{"format":1,"account":"123456789012","region":"eu-central-1","taken_at":"2026-11-22T12:00:00Z","images":[{IMAGE}],
                "references":[],"unread":[],"retention_rules":[{},{}]}}"#,
            rule("images"),
            rule("snapshots"),
        );
        let inventory = Inventory::from_json(&inventory).unwrap_or_else(|error| panic!("{error}"));
        let policy = format!(
            "version = 1\n[[rule]]\nname = \"all\"\nkeep = {{ last = 1 }}\nretire = {{ delete_snapshots_after = \"{after}\" }}\n{rest}"
        );
        let policy = Policy::parse(&policy, "p").unwrap();
        let plan = crate::plan::plan(&inventory, &policy, inventory.taken_at);
        plan.notes.iter().any(
            |note| matches!(note, Note::SnapshotsOutlastBin { days: found, .. } if *found == days),
        )
    };
    assert!(noted_with(7, "7d", ""));
    assert!(!noted_with(8, "7d", ""));
    assert!(!noted_with(14, "7d", "") && noted_with(14, "30d", ""));
    assert!(!noted_with(14, "30d", "[orphans]\ndelete_after = \"30d\"\n"));
    assert!(!noted_with(14, "30d", "[safety]\nrecycle_bin = \"optional\"\n"));
    // Such a rule does not count, because the run is refused.
    assert!(!noted_with(5, "7d", ""));
}

#[test]
fn without_images_no_rule_is_noted() {
    let notes = noted(IMAGE, r#""images""#, POLICY).notes;
    assert!(matches!(notes.as_slice(), [Note::TagIgnored { .. }]), "{notes:?}");
}

#[test]
fn text_is_limited_and_json_is_complete() {
    let pins: Vec<_> = (0..30).map(|number| format!("\"ami-0{number}\"")).collect();
    let policy = format!("{POLICY}[safety]\npinned = [{}]\n", pins.join(", "));
    let plan = noted(IMAGE, "", &policy);
    assert_eq!(plan.notes.len(), 32);
    let text = plan_text(&plan, None, None, &Rows::Changes.into(), OutputStyle::Plain);
    assert!(text.contains("note: 12 more; --format json lists all"), "{text}");
}

fn images(list: &[(&str, &str)]) -> String {
    let image = |(at, (name, tags)): (usize, &(&str, &str))| {
        format!(
            r#"{{"image_id":"ami-{at:02}","name":"{name}","state":"available","owner_id":"123456789012",
                "architecture":"x86_64","platform":"Linux/UNIX","created_at":"2026-11-01T00:00:00Z","tags":{{{tags}}}}}"#
        )
    };
    list.iter().enumerate().map(image).collect::<Vec<_>>().join(",")
}

/// The notes about four golden images and two images of a team, under a policy with these rules.
fn sentences(rules: &str) -> Vec<String> {
    let golden = r#""Family":"golden","Team":"Platform","Stage":"prod""#;
    let team = r#""Team":"Payments","cost-center":"12""#;
    let list = images(&[
        ("golden-1", golden),
        ("golden-2", golden),
        ("golden-3", golden),
        ("acme-golden-4", golden),
        ("pay-1", team),
        ("pay-2", team),
    ]);
    noted(&list, "", rules).notes.iter().map(ToString::to_string).collect()
}

fn only(rules: &str) -> String {
    let mut sentences = sentences(rules);
    assert_eq!(sentences.len(), 1, "{sentences:#?}");
    sentences.remove(0)
}

fn of_match(matches: &str) -> String {
    let rule = format!("[[rule]]\nname = \"r\"\nmatch = {{ {matches} }}\nkeep = {{ last = 1 }}\n");
    let note = only(&rule);
    note.strip_prefix("rule r: no image matches; ").unwrap_or(&note).to_owned()
}

#[test]
fn near_misses_are_reported_with_counts() {
    for (matches, expected) in [
        ("tags = { team = \"Payments\" }", "6 images have the tag `Team`, but none has `team`"),
        ("tags = { Famliy = \"*\" }", "4 images have the tag `Family`, but none has `Famliy`"),
        (
            "tags = { CostCenter = \"*\" }",
            "2 images have the tag `cost-center`, but none has `CostCenter`",
        ),
        ("tags = { Owner = \"*\" }", "no image has the tag `Owner`"),
        (
            "tags = { Team = \"payments\" }",
            "no value of the tag `Team` matches `payments`; 2 images match `Payments` (globs are case-sensitive)",
        ),
        (
            "tags = { Team = \"Paymetns\" }",
            "no value of the tag `Team` matches `Paymetns`; 2 images match `Payments`",
        ),
        (
            "tags = { Team = \"Search\" }",
            "no value of the tag `Team` matches `Search`; the most frequent: `Platform` (4), `Payments` (2)",
        ),
        (
            "name = \"golden\"",
            "no name matches `golden`; 3 images match `golden*` (a glob must match the whole value)",
        ),
        (
            "name = \"Golden-*\"",
            "no name matches `Golden-*`; 3 images match `golden-*` (globs are case-sensitive)",
        ),
        (
            "name = \"GOLDEN-?\"",
            "no name matches `GOLDEN-?`; 1 image matches `golden-1` (globs are case-sensitive)",
        ),
        (
            "name = \"acme\"",
            "no name matches `acme`; 1 image matches `acme*` (a glob must match the whole value)",
        ),
        (
            "name = \"den-4*\"",
            "no name matches `den-4*`; 1 image matches `*den-4*` (a glob must match the whole value)",
        ),
        ("name = \"goldne-*\"", "no name matches `goldne-*`; 3 images match `golden-*`"),
        ("architecture = \"amd64\"", "no architecture matches `amd64`; 6 images match `x86_64`"),
        (
            "architecture = \"riscv\"",
            "no architecture matches `riscv`; the most frequent: `x86_64` (6)",
        ),
        (
            "platform = \"linux\"",
            "no platform matches `linux`; 6 images match `Linux*` (a glob must match the whole value)",
        ),
        ("owner_alias = \"self\"", "no owner alias matches `self`"),
        ("older_than = \"60d\"", "no image is older than 60d"),
        (
            "name = \"pay-*\", tags = { Family = \"*\" }",
            "some images meet each condition, but no image meets all: match.name 2, match.tags.Family 4",
        ),
        (
            "name = \"pay\", tags = { team = \"*\" }",
            "no name matches `pay`; 2 images match `pay*` (a glob must match the whole value); 6 images have the tag \
             `Team`, but none has `team`",
        ),
        ("name = \"pay-*\", not = { tags = { Team = \"*\" } }", "match.not excludes all 2 images"),
    ] {
        assert_eq!(of_match(matches), expected, "{matches}");
    }
}

#[test]
fn a_suggested_glob_matches_the_stated_number_of_images() {
    let plan = noted(
        &images(&[("a[1],b", ""), ("a[1],B", ""), ("A[1],b", "")]),
        "",
        "[[rule]]\nname = \"r\"\nmatch = { name = '[Aa][[]1],[bB]x' }\nkeep = { last = 1 }\n\
         [[rule]]\nname = \"s\"\nmatch = { name = 'A[[]1],B' }\nkeep = { last = 1 }\n",
    );
    let [Note::RuleMatchesNothing { .. }, Note::RuleMatchesNothing { conditions, .. }] =
        plan.notes.as_slice()
    else {
        panic!("{:?}", plan.notes)
    };
    let near = conditions[0].near.as_ref().unwrap();
    assert_eq!((near.text.as_str(), near.images), ("A[[]1[]][,]b", 1));
    assert!(crate::policy::Glob::new(&near.text).unwrap().is_match("A[1],b"));
}

#[test]
fn an_unreachable_rule_is_reported_with_the_earlier_rules() {
    let rules = "[[rule]]\nname = \"a\"\nmatch = { name = \"golden-1\" }\nkeep = { last = 1 }\n\
                 [[rule]]\nname = \"b\"\nmatch = { tags = { Team = \"*\" } }\nkeep = { last = 1 }\n\
                 [[rule]]\nname = \"c\"\nmatch = { name = \"golden-*\" }\nkeep = { last = 1 }\n";
    assert_eq!(
        only(rules),
        "rule c: earlier rules match all of its images (3 images: a 1, b 2); move this rule before them, or narrow \
         the earlier rules"
    );
}

#[test]
fn exceptions_and_keep_tags_are_compared_with_images_of_the_rule() {
    let rule = |rest: &str| format!("[[rule]]\nname = \"r\"\nmatch = {{ name = \"pay-*\"{rest}\n");
    for (rest, expected) in [
        (
            ", not = { tags = { team = \"Payments\" } } }\nkeep = { last = 1 }",
            "match.not excludes no image; 2 images have the tag `Team`, but none has `team`",
        ),
        // The golden images have it, but the images of this rule do not.
        (
            ", not = { tags = { Stage = \"prod\" } } }\nkeep = { last = 1 }",
            "match.not excludes no image",
        ),
        (
            " }\nkeep = { last = 1, tags = { Team = \"payments\" } }",
            "keep.tags.Team matches none of its images; no value of the tag `Team` matches `payments`; 2 images \
             match `Payments` (globs are case-sensitive)",
        ),
        (
            " }\nkeep = { last = 1, tags = { Stage = \"prod\" } }",
            "keep.tags.Stage matches none of its images",
        ),
    ] {
        assert_eq!(only(&rule(rest)), format!("rule r: {expected}"), "{rest}");
    }
}

#[test]
fn a_missing_group_by_tag_is_noted() {
    let rule = |by: &str, keep: &str| {
        format!("[[rule]]\nname = \"r\"\ngroup_by = [\"{by}\"]\nkeep = {{ {keep} }}\n")
    };
    assert_eq!(
        only(&rule("tag:famliy", "last = 1")),
        "rule r: none of its 6 images has the tag `famliy` in group_by, so all of them are kept; 4 images \
         have the tag `Family`"
    );
    assert!(only(&rule("tag:Nothing", "last = 1")).ends_with("all of them are kept"));
    // A tag that some images have is not noted.
    assert!(sentences(&rule("tag:Family", "last = 1")).is_empty());
}

#[test]
fn single_image_families_are_noted_if_the_newest_is_kept() {
    let list = images(&[
        ("a", r#""N":"1""#),
        ("b", r#""N":"2""#),
        ("c", r#""N":"3""#),
        ("d", r#""N":"4""#),
    ]);
    let notes = |keep: &str| {
        let rule = format!("[[rule]]\nname = \"r\"\ngroup_by = [\"tag:N\"]\nkeep = {{ {keep} }}\n");
        noted(&list, "", &rule).notes
    };
    let single = Note::SingleFamilies { rule: "r".into(), families: 4, single: 4 };
    assert_eq!(notes("last = 1"), std::slice::from_ref(&single));
    assert_eq!(notes("within = \"3d\""), [single]);
    assert_eq!(notes("within = \"3d\", at_least = 0"), []);
}

#[test]
fn a_misspelled_pinned_id_suggests_the_image() {
    let list = r#"{"image_id":"ami-0123456789abcdef0","name":"a","state":"available"}"#;
    let policy = "[[rule]]\nname = \"r\"\nkeep = { last = 1 }\n[safety]\npinned = [\"ami-0123456789abcdfe0\"]\n";
    let notes = noted(list, "", policy).notes;
    let said = notes.last().map(ToString::to_string);
    let expected =
        "safety.pinned: ami-0123456789abcdfe0 does not exist; did you mean ami-0123456789abcdef0?";
    assert_eq!(said.as_deref(), Some(expected));
}

#[test]
fn only_missing_effects_are_warnings() {
    let inventory = Inventory::from_json(
        r#"{"format":1,"account":"123456789012","region":"eu-central-1","taken_at":"2026-11-22T12:00:00Z","images":[],
            "references":[],"other_image_types":3}"#,
    );
    let inventory = inventory.unwrap_or_else(|error| panic!("{error}"));
    let policy = Policy::parse(&format!("version = 1\n{POLICY}"), "p").unwrap();
    let notes = crate::plan::plan(&inventory, &policy, inventory.taken_at).notes;
    let kinds: Vec<_> = notes.iter().map(|note| (note.kind(), note.is_warning())).collect();
    assert_eq!(kinds, [("other_image_types", false), ("rule_matches_nothing", true)]);
    // The name of the kind is the same as in the JSON.
    let json = serde_json::to_value(&notes).unwrap();
    assert_eq!(json[1]["note"], "rule_matches_nothing");
}

#[test]
fn expired_tags_and_tags_with_another_prefix_are_noted() {
    let list = images(&[
        ("a", r#""image-steward:keep":"2026-01-15 made for an audit""#),
        ("b", r#""image-steward:keep":"2026-01-15""#),
        ("c", r#""image-steward:keep":"2099-01-15 release""#),
    ]);
    let rule = "[[rule]]\nname = \"r\"\nkeep = { last = 1 }\n";
    let notes = noted(&list, "", rule).notes;
    let [Note::KeepEnded { resources, .. }] = notes.as_slice() else { panic!("{notes:?}") };
    assert_eq!(resources.len(), 1);
    let notes = noted(&list, "", &format!("{rule}[tagging]\nprefix = \"acme:\"\n")).notes;
    let [Note::TagIgnored { key, effective, resources }] = notes.as_slice() else {
        panic!("{notes:?}")
    };
    assert_eq!((key.as_str(), effective.as_str()), ("image-steward:keep", "acme:keep"));
    assert_eq!(resources.len(), 3);
}
