use jiff::Timestamp;

use super::*;

const RULE: &str = "[[rule]]\nname = \"golden\"\nkeep = { last = 5 }\n";

fn errors(text: &str) -> Vec<String> {
    match Policy::parse(text, "p.toml") {
        Ok(_) => Vec::new(),
        Err(error) => error.to_string().lines().map(str::to_owned).collect(),
    }
}

/// The only error of a document with `version = 1` and `text`.
fn error(text: &str) -> String {
    let all = errors(&format!("version = 1\n{text}"));
    assert_eq!(all.len(), 1, "{all:#?}");
    all.into_iter().next().unwrap_or_default()
}

#[test]
fn the_smallest_policy_has_the_documented_defaults() {
    let policy = Policy::parse(&format!("version = 1\n{RULE}"), "p").unwrap();
    let Safety {
        max_per_run,
        max_snapshots_per_run,
        max_fraction,
        min_references,
        template_versions,
        sets_template_versions,
        compute_environments,
        sets_compute_environments,
        keep_tags,
        shared_snapshots,
        share_back,
        recycle_bin,
        recycle_bin_days,
        references_check,
        ignore_templates,
        subscriptions,
        absent_is_empty,
        pinned,
    } = policy.safety;
    assert!(subscriptions.is_empty() && ignore_templates.is_empty() && absent_is_empty.is_empty());
    assert_eq!(compute_environments, ComputeEnvironments::Read);
    assert_eq!(policy.rules[0].shared_images, SharedImages::Keep);
    assert_eq!(shared_snapshots, SharedSnapshots::Keep);
    assert_eq!((recycle_bin, references_check), (Check::Required, Check::Required));
    assert!(matches!(policy.orphans, Orphans::Report));
    assert_eq!((max_per_run, max_fraction, min_references), (50, 0.25, 1));
    assert_eq!((max_snapshots_per_run, recycle_bin_days, share_back.len()), (200, 7, 0));
    assert_eq!(template_versions, TemplateVersions::DefaultAndLatest);
    assert!(!sets_template_versions && !sets_compute_environments);
    assert!(pinned == PinnedImages::default() && keep_tags.is_empty());
    assert_eq!(policy.rules[0].keep.at_least, 1);
    assert_eq!(policy.tag_names.expired_at, "image-steward:expired-at");
    let from: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    let retire = &policy.rules[0].retire;
    let after = |age: Age| age.after(from, &policy.timezone).to_string();
    assert_eq!(after(retire.deprecate_after.unwrap()), "2026-01-01T00:00:00Z");
    assert_eq!(after(retire.disable_after.unwrap()), "2026-01-08T00:00:00Z");
    assert_eq!(after(retire.deregister_after), "2026-01-15T00:00:00Z");
    assert_eq!(after(retire.delete_snapshots_after), "2026-01-08T00:00:00Z");
}

#[test]
fn json_of_the_same_structure_is_accepted() {
    let text =
        r#"{"version":1,"rule":[{"name":"a","match":{"name":"x-*"},"keep":{"within":"30d"}}]}"#;
    let policy = Policy::parse(text, "p.json").unwrap();
    assert!(policy.rules[0].matches.name.as_ref().unwrap().is_match("x-/1"));
}

#[test]
fn all_errors_are_reported_at_once_with_positions() {
    let text = r#"version = "1"
timezone = "Berlin"
speed = "fast"

[[rule]]
name = "a"
match = { name = "[", tags = { Team = 5 } }
keep = { last = -1, lastt = 3 }

[[rule]]
name = "a"
keep = {}
retire = { deregister_after = "14 dayz", disable_after = "7 dayz" }

[safety]
max_fraction = 1.5
template_versions = 0
pinned = ["i-1"]

[tagging]
set = { "aws:x" = "1" }
"#;
    let found = errors(text);
    let expected = [
        "p.toml:1:11: version: \"1\" is not a whole number from 0 to 1000000",
        "p.toml:2:12: timezone: unknown time zone `Berlin`; use an IANA name such as \"Europe/Berlin\" or \"UTC\"",
        "p.toml:3:1: speed: unknown key `speed`, expected one of `version`, `timezone`, `rule`, `safety`, `tagging`, `orphans`, `instances`",
        "p.toml:7:18: rule[0].match.name: `[` is not a glob: ",
        "p.toml:7:39: rule[0].match.tags.Team: ",
        "p.toml:8:17: rule[0].keep.last: -1 is not a whole number from 0 to 1000000",
        "p.toml:8:21: rule[0].keep.lastt: unknown key `lastt`, expected one of `last`, ",
        "p.toml:11:8: rule[1].name: duplicate rule name `a`; rename one of the rules",
        "p.toml:12:8: rule[1].keep: keeps nothing; specify what to keep, for example `keep = { last = 5 }`",
        "p.toml:13:31: rule[1].retire.deregister_after: `14 dayz` is not a duration; use",
        "p.toml:13:58: rule[1].retire.disable_after: `7 dayz` is not a duration; use",
        "p.toml:16:16: safety.max_fraction: 1.5 is not a number from 0 to 1; for 25%, write 0.25",
        "p.toml:17:21: safety.template_versions: 0 is not a number from 1 to 10000; use \"default+latest\", \"all\" or a number of newest versions",
        "p.toml:18:11: safety.pinned[0]: `i-1` is not an image ID: ",
        "p.toml:21:19: tagging.set.aws:x: tag keys that begin with `aws:` are reserved for AWS; remove it",
    ];
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(found.starts_with(expected), "\n   found {found}\nexpected {expected}");
    }
}

#[test]
fn another_version_is_rejected_first() {
    let rest = "speed = \"fast\"\n[[rule]]\nname = \"a\"\nkeep = { last = -1 }\n";
    let known = "this version of image-steward reads a policy with version 1; ";
    let remedy = "change the policy to version 1, with `version = 1` at the top";
    for (version, update) in [(2, "update image-steward, or "), (0, "")] {
        assert_eq!(
            errors(&format!("version = {version}\n{rest}")),
            [format!(
                "p.toml:1:11: version: version {version} is not supported: {known}{update}{remedy}"
            )]
        );
    }
    // A missing version does not hide the other errors.
    let found = errors(rest);
    assert_eq!(found.len(), 3, "{found:#?}");
    let missing = format!("p.toml: version: `version` is missing: {known}{remedy}");
    assert!(found.contains(&missing), "{found:#?}");
}

#[test]
fn every_error_in_a_list_is_reported() {
    let all = errors(
        "version = 1\nrule = [1, { name = \"a\", group_by = [\"arch\", \"platform\", \"tag:\"], keep = { last = 1 } }]\n\
         [safety]\npinned = [\"i-1\", \"ami-1\", \"i-2\"]\nshare_back = [\"all\", \"1\"]\n[tagging]\ncopy_from_instance = [1, \"Team\", 2]\n",
    );
    assert_eq!(all.len(), 9, "{all:#?}");
    for path in [
        "rule[0]",
        "rule[1].group_by[0]",
        "rule[1].group_by[2]",
        "safety.pinned[0]",
        "safety.pinned[2]",
        "safety.share_back[0]",
        "safety.share_back[1]",
        "tagging.copy_from_instance[0]",
        "tagging.copy_from_instance[2]",
    ] {
        assert!(all.iter().any(|line| line.contains(&format!(" {path}: "))), "{path}: {all:#?}");
    }
}

#[test]
fn json_errors_have_a_path() {
    let all =
        errors(r#"{"version":1,"rule":[{"name":"a","keep":{"last":"5"}},{"name":"b","kep":{}}]}"#);
    assert_eq!(all.len(), 3, "{all:#?}");
    assert!(
        all[0].starts_with(
            "p.toml: rule[0].keep.last: \"5\" is not a whole number from 0 to 1000000"
        ),
        "{}",
        all[0]
    );
    assert!(all[1].starts_with("p.toml: rule[1].keep: missing;"), "{}", all[1]);
    assert!(
        all[2].starts_with("p.toml: rule[1].kep: unknown key `kep`, expected one of"),
        "{}",
        all[2]
    );
}

#[test]
fn syntax_errors_have_a_position() {
    assert!(errors("version = 1\n[[rule\n")[0].starts_with("p.toml:2:"));
    assert!(errors("{\"version\": 1,}")[0].starts_with("p.toml:1:15: invalid JSON: "));
    assert!(errors(r#"{"version":1,"version":1}"#)[0].contains("duplicate key `version`"));
    assert!(errors("version = 1\nversion = 1\n")[0].starts_with("p.toml:2:1: invalid TOML: "));
    assert!(!errors("").is_empty());
}

#[test]
fn a_keep_that_keeps_nothing_is_an_error() {
    for keep in [
        "{}",
        "{ last = 0 }",
        "{ within = \"0d\" }",
        "{ at_least = 0 }",
        "{ tags = {} }",
        "{ daily = 0, last = 0 }",
    ] {
        let found = error(&format!("[[rule]]\nname = \"a\"\nkeep = {keep}\n"));
        assert!(found.contains("rule[0].keep: keeps nothing"), "{keep}: {found}");
    }
    assert!(error("[[rule]]\nname = \"a\"\n").contains("rule[0].keep: missing"));
    assert!(errors("version = 1\n[[rule]]\nname = \"a\"\nkeep = { at_least = 2 }\n").is_empty());
}

#[test]
fn ages_are_whole_units_from_hours_up() {
    for (text, complaint) in [
        ("6m", "`m` means minutes, `mo` means months"),
        ("30s", "`30s` has minutes or seconds"),
        ("90s", "`90s` has minutes or seconds"),
        ("86400s", "`86400s` has minutes or seconds"),
        ("1d 30s", "`1d 30s` has minutes or seconds"),
        ("1d 6m", "`1d 6m` has minutes or seconds"),
        ("PT30S", "`PT30S` has minutes or seconds"),
        ("P1DT30S", "`P1DT30S` has minutes or seconds"),
        ("1.5h", "`1.5h` has minutes or seconds"),
        ("500ms", "`500ms` has minutes or seconds"),
        ("-1d", "is negative"),
        ("101y", "more than 100 years"),
        ("99999999999d", "not a duration"),
        ("", "not a duration"),
        ("30", "not a duration"),
    ] {
        let found = error(&format!("[[rule]]\nname = \"a\"\nkeep = {{ within = \"{text}\" }}\n"));
        assert!(found.contains(complaint), "{text}: {found}");
    }
    for text in ["30d", "12h", "2w", "6mo", "1y", "1y 6mo", "P1Y6M", "PT12H"] {
        let all = errors(&format!(
            "version = 1\n[[rule]]\nname = \"a\"\nkeep = {{ within = \"{text}\" }}\n"
        ));
        assert!(all.is_empty(), "{text}: {all:?}");
    }
}

#[test]
fn unknown_values_are_reported_with_valid_values() {
    for (line, complaint) in [
        ("shared_images = \"maybe\"", "`maybe` is not a valid value; use \"keep\" or \"retire\""),
        ("shared_snapshots = \"no\"", "`no` is not a valid value; use \"keep\" or \"retire\""),
        ("share_back = [\"all\"]", "a run never makes an image public; use a quoted"),
        ("share_back = [\"1234\"]", "`1234` is not a valid value; use a quoted account ID"),
        (
            "share_back = [\"tenant/0f0e0d0c-1234-5678-9abc-def012345678\"]",
            "is on Azure, where images stay shared until they are deleted; use a quoted account ID",
        ),
        ("share_back = [\"0f0e0d0c-1234-5678-9abc-def012345678\"]", "is on Azure, where images"),
        (
            "share_back = [123456789012]",
            "123456789012 is not a valid value; use a quoted account ID",
        ),
        ("recycle_bin = \"off\"", "`off` is not a valid value; use \"required\" or \"optional\""),
        ("references_check = \"yes\"", "`yes` is not a valid value; use \"required\" or \"off\""),
        ("compute_environments = \"no\"", "`no` is not a valid value; use \"required\" or \"off\""),
        ("template_versions = \"newest\"", "`newest` is not a valid value; use \"default+latest\""),
    ] {
        let found = error(&format!("{RULE}[safety]\n{line}\n"));
        assert!(found.contains(complaint), "{found}");
    }
    let text = "shared_images = \"retire\"\nrecycle_bin = \"optional\"\nreferences_check = \"off\"\n\
                compute_environments = \"off\"\ntemplate_versions = 3\n";
    let policy = Policy::parse(&format!("version = 1\n{RULE}[safety]\n{text}"), "p").unwrap();
    let Safety { recycle_bin, references_check, .. } = policy.safety;
    assert_eq!(policy.rules[0].shared_images, SharedImages::Retire);
    assert_eq!((recycle_bin, references_check), (Check::Off, Check::Off));
    assert_eq!(policy.safety.compute_environments, ComputeEnvironments::LeaveOut);
    let three = std::num::NonZeroU32::new(3).unwrap();
    assert_eq!(policy.safety.template_versions, TemplateVersions::Newest(three));
}

#[test]
fn steps_are_ordered() {
    let retire = |steps: &str| format!("{}retire = {{ {steps} }}\n", RULE);
    for (steps, complaint) in [
        ("disable_after = \"15d\"", "rule[0].retire.deregister_after: shorter than disable_after"),
        (
            "deprecate_after = \"8d\", disable_after = \"7d\"",
            "rule[0].retire.disable_after: shorter than deprecate_after",
        ),
        (
            "deprecate_after = \"1mo\", disable_after = \"never\"",
            "rule[0].retire.deregister_after: shorter than deprecate_after",
        ),
    ] {
        let found = error(&retire(steps));
        assert!(found.contains(complaint), "{steps}: {found}");
    }
    let parse = |steps: &str| {
        let policy = Policy::parse(&format!("version = 1\n{}", retire(steps)), "p").unwrap();
        policy.rules[0].retire.clone()
    };
    // An omitted step is due no later than the next step.
    assert!(parse("deregister_after = \"0d\"").disable_after.unwrap().is_zero());
    let never = parse("deprecate_after = \"never\", disable_after = \"never\"");
    assert!(never.deprecate_after.is_none() && never.disable_after.is_none());
}

#[test]
fn orphans_need_at_least_one_day() {
    assert!(error(&format!("{RULE}[orphans]\n")).contains("orphans.delete_after: missing"));
    let found = error(&format!("{RULE}[orphans]\ndelete_after = \"23h\"\n"));
    assert!(found.contains("less than a day"), "{found}");
    let text = format!("version = 1\n{RULE}[orphans]\ndelete_after = \"30d\"\n");
    assert!(matches!(Policy::parse(&text, "p").unwrap().orphans, Orphans::Delete { .. }));
}

#[test]
fn implausible_numbers_are_errors() {
    for number in ["1000001", "99999999999999999999", "1.5", "\"5\"", "true"] {
        let found = error(&format!("[[rule]]\nname = \"a\"\nkeep = {{ last = {number} }}\n"));
        assert!(found.contains("rule[0].keep.last"), "{number}: {found}");
        assert!(found.contains("whole number from 0 to 1000000"), "{number}: {found}");
    }
}

#[test]
fn numbers_out_of_range_are_errors_everywhere() {
    for (key, path) in [
        ("name = NUMBER", "rule[0].name"),
        ("match = { name = NUMBER }", "rule[0].match.name"),
        ("match = { tags = { Team = NUMBER } }", "rule[0].match.tags.Team"),
        ("keep = { last = NUMBER }", "rule[0].keep.last"),
        ("keep = { within = NUMBER }", "rule[0].keep.within"),
        ("group_by = [NUMBER]", "rule[0].group_by[0]"),
        ("[safety]\nmax_fraction = NUMBER", "safety.max_fraction"),
        ("[safety]\npinned = NUMBER", "safety.pinned"),
        ("[safety]\nshared_images = NUMBER", "safety.shared_images"),
        ("[tagging.set]\nTeam = NUMBER", "tagging.set.Team"),
    ] {
        for number in ["nan", "-nan", "inf", "-inf", "1e400", "0xffffffffffffffffffff"] {
            let mut text = "[[rule]]\n".to_owned();
            if !key.starts_with("name") {
                text.push_str("name = \"a\"\n");
            }
            if !key.starts_with("keep") {
                text.push_str("keep = { last = 1 }\n");
            }
            text.push_str(&key.replace("NUMBER", number));
            let found = error(&text);
            assert!(found.contains(&format!(" {path}: `{number}` is out of range")), "{found}");
            assert!(found.starts_with("p.toml:"), "{found}");
        }
    }
    let json =
        r#"{"version":1,"rule":[{"name":"a","keep":{"last":5}}],"safety":{"max_per_run":X}}"#;
    for number in ["NaN", "Infinity", "1e400", "1e30"] {
        let found = errors(&json.replace('X', number));
        assert_eq!(found.len(), 1, "{number}: {found:?}");
        let place = if number == "1e30" { " safety.max_per_run: 1e+30 is" } else { ":1:" };
        assert!(found[0].contains(place), "{found:?}");
    }
}

#[test]
fn a_byte_order_mark_is_ignored() {
    for text in [
        format!("version = 1\n{RULE}"),
        r#"{"version":1,"rule":[{"name":"a","keep":{"last":5}}]}"#.to_owned(),
    ] {
        assert!(errors(&format!("\u{FEFF}{text}")).is_empty(), "{text}");
    }
    let found = errors(&format!("\u{FEFF}version = 2\n{RULE}"));
    assert!(found[0].starts_with("p.toml:1:11: version: "), "{found:?}");
}

#[test]
fn every_duration_rejects_minutes_and_seconds() {
    for (table, key) in [
        ("match", "older_than"),
        ("keep", "within"),
        ("keep", "launched_within"),
        ("retire", "deprecate_after"),
        ("retire", "disable_after"),
        ("retire", "deregister_after"),
        ("retire", "delete_snapshots_after"),
        ("orphans", "delete_after"),
    ] {
        for age in ["30s", "30m", "1d 30s", "PT30S"] {
            let mut text = "[[rule]]\nname = \"a\"\n".to_owned();
            if table != "keep" {
                text.push_str("keep = { last = 1 }\n");
            }
            text.push_str(&match table {
                "orphans" => format!("[orphans]\n{key} = \"{age}\"\n"),
                _ => format!("{table} = {{ {key} = \"{age}\" }}\n"),
            });
            let found = error(&text);
            assert!(found.contains(&format!("{key}: `{age}` has minutes or seconds")), "{found}");
        }
    }
}

#[test]
fn a_glob_beyond_the_limits_is_an_error_with_a_position() {
    let deep = format!("{}{}", "{".repeat(250), "}".repeat(250));
    let long = "a".repeat(200_000);
    for glob in [&deep, &long] {
        for (key, path) in [
            ("match = { name = GLOB }\nkeep = { last = 1 }", "rule[0].match.name"),
            (
                "match = { not = { platform = GLOB } }\nkeep = { last = 1 }",
                "rule[0].match.not.platform",
            ),
            ("keep = { tags = { Team = GLOB } }", "rule[0].keep.tags.Team"),
        ] {
            let found = error(
                &format!("[[rule]]\nname = \"a\"\n{key}").replace("GLOB", &format!("\"{glob}\"")),
            );
            assert!(found.starts_with("p.toml:4:"), "{path}: {}", &found[..200]);
            assert!(found.contains(path) && found.contains("is not a glob"), "{}", &found[..200]);
            assert!(found.len() < 400, "{path}: {} bytes", found.len());
        }
    }
    // No other value makes a message unreadable either.
    for text in [
        format!("timezone = \"{long}\"\n{RULE}"),
        format!("{RULE}[safety]\npinned = [\"{long}\"]"),
        format!("{RULE}[safety]\nshared_images = \"{long}\""),
        format!("{RULE}[safety]\nmax_per_run = [\"{long}\"]"),
    ] {
        assert!(error(&text).len() < 700, "{}", &error(&text)[..200]);
    }
}

/// Checks how the duration grows, because computers differ in speed: eight times the text must take
/// about eight times as long, and not sixty-four times.
#[test]
#[expect(clippy::disallowed_methods, reason = "a test may look at the clock")]
fn the_time_to_read_a_policy_grows_with_its_length() {
    let read = |rules: usize, valid: bool| {
        let mut text = "version = 1\n".to_owned();
        for number in 0..rules {
            let name = if valid { number } else { 0 };
            text.push_str(&format!("[[rule]]\nname = \"r{name}\"\nkeep = {{ last = 5 }}\n"));
        }
        let start = std::time::Instant::now();
        assert_eq!(Policy::parse(&text, "p").is_ok(), valid);
        start.elapsed()
    };
    for valid in [true, false] {
        // The duration is 8 times as long if it is linear, and 64 times if it is quadratic. On a
        // busy computer any measurement may be too long, but none is too short.
        let (mut short, mut long) = (read(500, valid), read(4000, valid));
        for _ in 0..20 {
            if long < short * 24 {
                break;
            }
            (short, long) = (short.min(read(500, valid)), long.min(read(4000, valid)));
        }
        assert!(long < short * 24, "500 rules: {short:?}, 4,000 rules: {long:?}");
    }
}

#[test]
fn days_are_calendar_days_of_the_time_zone() {
    let policy = Policy::parse(
        "version = 1\ntimezone = \"Europe/Berlin\"\n[[rule]]\nname = \"a\"\nkeep = { within = \"1d\" }\n",
        "p",
    )
    .unwrap();
    // The day on which daylight saving time ends has 25 hours.
    let now: Timestamp = "2026-10-25T12:00:00+01:00".parse().unwrap();
    let cutoff = policy.rules[0].keep.within.unwrap().before(now, &policy.timezone);
    assert_eq!(cutoff.to_string(), "2026-10-24T10:00:00Z");
}

#[test]
fn a_value_of_the_wrong_type_is_shown_with_the_remedy() {
    let all = errors(
        r#"{"version":"1","rule":[{"name":"a","match":{"name":5,"older_than":30},"group_by":[7],"keep":{"last":[1]},
            "retire":{"disable_after":7,"deregister_after":"never"}}],
            "safety":{"max_fraction":"half","shared_images":{"keep":null},"recycle_bin":false,"template_versions":1.5}}"#,
    );
    let expected = [
        "rule[0].group_by[0]: 7 is not supported in group_by; use \"tag:KEY\", \"architecture\", ",
        "rule[0].keep.last: [1] is not a whole number from 0 to 1000000",
        "rule[0].match.name: 5 is not a quoted glob; write \"5\"",
        "rule[0].match.older_than: 30 is not a quoted duration; use a value such as \"30d\"",
        "rule[0].retire.deregister_after: `never` is not a duration; use a value such as \"30d\"",
        "rule[0].retire.disable_after: 7 is neither \"never\" nor a quoted duration; use ",
        "safety.max_fraction: \"half\" is not a number from 0 to 1; for 25%, write 0.25",
        "safety.recycle_bin: false is not a valid value; use \"required\" or \"optional\"",
        "safety.shared_images: {\"keep\":null} is not a valid value; use \"keep\" or \"retire\"",
        "safety.template_versions: 1.5 is not a number from 1 to 10000; use \"default+latest\", ",
        "version: \"1\" is not a whole number from 0 to 1000000",
    ];
    assert_eq!(all.len(), expected.len(), "{all:#?}");
    for (found, expected) in all.iter().zip(expected) {
        assert!(found.starts_with(&format!("p.toml: {expected}")), "\n   {found}\n{expected}");
    }
}

#[test]
fn deeply_nested_documents_are_errors() {
    let times = |text: &str, count: usize| text.repeat(count);
    for depth in [50, 300, 50_000] {
        for text in [
            format!("a = {}{}", times("[", depth), times("]", depth)),
            format!("a = {}1{}", times("{a=", depth), times("}", depth)),
            format!("a{} = 1", times(".a", depth)),
            format!("[a{}]", times(".a", depth)),
            format!(
                "[[rule]]\nname = \"a\"\nkeep.last = 1\nmatch = {{{} not = {{}} {}}}",
                times("not = {", depth),
                times("}", depth)
            ),
            format!("{{\"a\":{}{}}}", times("[", depth), times("]", depth)),
            format!(
                "{{\"version\":1,\"rule\":[{{\"name\":\"a\",\"match\":{}{{}}{}}}]}}",
                times("{\"not\":", depth),
                times("}", depth)
            ),
        ] {
            assert!(!errors(&text).is_empty(), "{depth}");
        }
    }
}

#[test]
fn the_digest_depends_only_on_content() {
    let digest = |text: &str| Policy::parse_with_digest(text, "p").unwrap().1;
    let text = "version = 1\n[safety]\nmax_per_run = 5\npinned = [\"ami-1\", \"ami-2\"]\n\
                [[rule]]\nname = \"web\"\nkeep = { last = 2, daily = 7 }\n";
    let same = [
        "# with comments\nversion=1\nsafety = { pinned = ['ami-1', 'ami-2'], max_per_run = 5 }\n\
         [[rule]]\nkeep.daily = 7\nkeep.last = 2\nname = 'web'\n",
        r#"{"version":1,"rule":[{"name":"web","keep":{"daily":7,"last":2}}],
            "safety":{"pinned":["ami-1","ami-2"],"max_per_run":5}}"#,
        "\u{feff}version = 1\r\n[safety]\r\nmax_per_run = 5\r\npinned = [\"ami-1\", \"ami-2\"]\r\n\
         [[rule]]\r\nname = \"web\"\r\nkeep = { last = 2, daily = 7 }\r\n",
    ];
    for other in same {
        assert_eq!(digest(other), digest(text), "{other}");
    }
    for (from, to) in [
        ("max_per_run = 5", "max_per_run = 50"),
        ("max_per_run = 5", "max_fraction = 0.5"),
        ("\"ami-1\", \"ami-2\"", "\"ami-1\""),
        ("\"ami-1\", \"ami-2\"", "\"ami-2\", \"ami-1\""),
        ("last = 2", "last = 1"),
        ("last = 2, ", ""),
        ("\"web\"", "\"Web\""),
    ] {
        assert_ne!(digest(&text.replace(from, to)), digest(text), "{from} -> {to}");
    }
    // Pipelines compare it, so it must not change between versions.
    let expected = "sha256:fc2b5f8a3d300ee81c5796f85c6e99ec6f241e4eeced260878d663c0f36e3aa6";
    assert_eq!(digest(text).to_string(), expected);
}

#[test]
fn a_printed_digest_is_parsed() {
    let digest = format!("sha256:{}", "0f".repeat(32));
    for text in
        [digest.clone(), digest.to_uppercase().replace("SHA", "sha"), format!(" {digest}\n")]
    {
        assert_eq!(text.parse::<PolicyDigest>().unwrap().to_string(), digest);
    }
    for text in ["", "sha256:", &digest[..70], &digest.replace('f', "g"), &digest[7..]] {
        let error = text.parse::<PolicyDigest>().unwrap_err().to_string();
        assert!(error.contains("`image-steward validate`"), "{error}");
    }
}

/// The text may be a secret, if the policy is read from the wrong parameter.
#[test]
fn invalid_documents_are_not_quoted() {
    for text in [
        "correct-horse-battery",
        "\"correct-horse-battery\"",
        "password = \"correct-horse-battery\"",
        "password: correct-horse-battery",
        "{\"password\": \"correct-horse-battery\"}",
        "{\"a\": correct-horse-battery}",
        "-----BEGIN KEY-----\ncorrect-horse-battery\n-----END KEY-----",
    ] {
        for error in errors(text) {
            assert!(!error.contains("correct-horse-battery"), "{error}");
        }
    }
}

/// The patterns in IAM roles begin with the prefix.
#[test]
fn a_prefix_may_contain_only_tag_characters() {
    let found = |prefix: &str| {
        errors(&format!(
            "version = 1\ntagging.prefix = {prefix:?}\n[[rule]]\nname = \"a\"\nkeep.last = 1"
        ))
    };
    for prefix in ["corp/images:", "a b+c-d=e.f_g@h:", "X9"] {
        assert_eq!(found(prefix), Vec::<String>::new(), "{prefix}");
    }
    for prefix in ["corp*", "a?", "${x}", "a\"", "a\\", "caf\u{e9}:", "a\tb", "a,b", "a'b"] {
        let errors = found(prefix);
        assert_eq!(errors.len(), 1, "{prefix}: {errors:?}");
        assert!(errors[0].contains("a prefix cannot contain"), "{errors:?}");
    }
    assert!(found("aws:x")[0].contains("reserved for AWS"));
    assert!(found("")[0].contains("1 to 100 characters"));
}

#[test]
fn every_tag_in_the_policy_is_trusted() {
    let policy = Policy::parse(
        r#"
version = 1
tagging.prefix = "fleet:"
[[rule]]
name = "web"
match = { tags = { Family = "web-*" }, not = { tags = { Stage = "test" }, not = { tags = { Team = "*" } } } }
group_by = ["tag:Family", "architecture", "tag:Branch"]
keep = { last = 2, tags = { Release = "*", Stage = "prod" } }
[[rule]]
name = "rest"
keep = { last = 1 }
"#,
        "p",
    )
    .unwrap();
    let lines = |policy: &Policy| -> Vec<String> {
        let line = |tag: &TrustedTag| {
            let uses: Vec<String> = tag.uses.iter().map(ToString::to_string).collect();
            format!("{}: {}", tag.key, uses.join(", "))
        };
        policy.trusted_tags().iter().map(line).collect()
    };
    let expected = [
        "Branch: group_by of rule web",
        "Family: match of rule web, group_by of rule web",
        "Release: keep.tags of rule web",
        "Stage: match of rule web, keep.tags of rule web",
        "Team: match of rule web",
        "fleet:keep: exclusion",
    ];
    assert_eq!(lines(&policy), expected);
    let plain = "version = 1\n[[rule]]\nname = \"a\"\nkeep.last = 1\n";
    let plain = Policy::parse(plain, "p").unwrap();
    assert_eq!(lines(&plain), ["image-steward:keep: exclusion"]);
    let retires =
        "version = 1\ninstances.retire = \"stop\"\n[[rule]]\nname = \"a\"\nkeep.last = 1\n";
    let retires = Policy::parse(retires, "p").unwrap();
    assert_eq!(lines(&retires)[1], "image-steward:retire-when-imaged: instances.retire");
}
