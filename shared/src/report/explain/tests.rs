use super::*;
use crate::model::ReferenceKind;
use crate::plan::Action;

const POLICY: &str = r#"
version = 1
[[rule]]
name = "web"
match = { name = "web-*" }
keep = { last = 2, within = "30d", monthly = 2, launched_within = "90d", tags = { Pinned = "yes" } }
[safety]
min_references = 0
recycle_bin = "optional"
max_fraction = 1.0
"#;

/// web-1 to web-6, newest first. web-4 has been tagged as expired for a week; web-6 is in use.
fn told(image: &str, now: &str) -> Explanation {
    told_by(POLICY, image, now)
}

fn told_by(policy: &str, image: &str, now: &str) -> Explanation {
    let mut images = Vec::new();
    for (n, made) in (1..).zip(["11-20", "11-10", "11-01", "10-30", "10-10", "09-30"]) {
        let tags = if n == 4 { r#""image-steward:expired-at":"2026-12-24T12:00:00Z""# } else { "" };
        images.push(format!(
            r#"{{"image_id":"ami-{n}","name":"web-{n}","owner_id":"123456789012","created_at":"2026-{made}T00:00:00Z",
                "state":"available","tags":{{{tags}}},"snapshots":["snap-{n}"]}}"#
        ));
    }
    let text = format!(
        r#"{{"format":1,"account":"123456789012","region":"eu-central-1","taken_at":"2026-12-31T12:00:00Z",
            "images":[{}],"snapshots":[{{"snapshot_id":"snap-4","size_gib":8}}],
            "references":[{{"image_id":"ami-6","kind":"instance","arn":"arn:i-6"}}]}}"#,
        images.join(",")
    );
    let inventory = Inventory::from_json(&text).unwrap();
    let policy = Policy::parse(policy, "policy").unwrap();
    let plan = crate::plan::plan(&inventory, &policy, now.parse().unwrap());
    explain(&image.parse().unwrap(), &inventory, &policy, &plan).unwrap()
}

const NOW: &str = "2026-12-31T12:00:00Z";

fn verdicts(explanation: &Explanation) -> Vec<(String, RuleOutcome, String)> {
    let verdict = |one: &Verdict| (one.rule.clone(), one.held, one.by.clone());
    explanation.keep_rules.iter().map(verdict).collect()
}

#[test]
fn the_command_that_brings_it_back_names_another_prefix() {
    let plain = "image-steward restore ami-4 --region eu-central-1";
    assert_eq!(told("ami-4", NOW).to_bring_back, plain);
    let policy = format!("{POLICY}[tagging]\nprefix = \"acme:\"\n");
    let expected = format!("{plain} --prefix 'acme:'");
    assert_eq!(told_by(&policy, "ami-4", NOW).to_bring_back, expected);
}

#[test]
fn every_rule_says_whether_it_held_and_by_how_much() {
    let explanation = told("ami-2", NOW);
    assert_eq!(explanation.rank, Some((2, 6)));
    let expected = [
        ("last = 2", RuleOutcome::Yes, "number 2; no longer matches after 1 newer image"),
        ("at_least = 1", RuleOutcome::No, "number 2; 1 place too low"),
        ("within = \"30d\"", RuleOutcome::No, "ended 2026-12-10 00:00Z, 21 days ago"),
        (
            "launched_within = \"90d\"",
            RuleOutcome::No,
            "no launch is known (EC2 reports launches a day late)",
        ),
        ("monthly = 2", RuleOutcome::No, "ami-1 is the newest image of 2026-11"),
        ("tags = { Pinned = \"yes\" }", RuleOutcome::No, "the image has no tag Pinned"),
    ];
    let expected = expected.map(|(rule, held, by)| (rule.to_owned(), held, by.to_owned()));
    assert_eq!(verdicts(&explanation), expected);
    assert!(
        explanation.steps.iter().all(|one| one.when == When::IfItExpires),
        "{:?}",
        explanation.steps
    );
}

#[test]
fn a_rule_that_ends_says_when() {
    let explanation = told("ami-1", "2026-12-01T00:00:00Z");
    let within =
        verdicts(&explanation).into_iter().find(|one| one.0.starts_with("within")).unwrap();
    assert_eq!(
        (within.1, &*within.2),
        (RuleOutcome::Yes, "until 2026-12-20 00:00Z, 19 days from now")
    );
    let old = verdicts(&told("ami-6", NOW));
    let monthly = old.iter().find(|one| one.0.starts_with("monthly")).unwrap();
    assert_eq!(monthly.2, "2026-09 is before the latest 2 periods with an image");
}

#[test]
fn what_refers_to_it_is_cited_with_how_it_was_found() {
    let explanation = told("ami-6", NOW);
    let [found] = &explanation.references[..] else { panic!("{:?}", explanation.references) };
    assert_eq!((&found.kind, &*found.arn), (&ReferenceKind::Instance, "arn:i-6"));
    assert_eq!(found.source, Some(crate::model::Source::Instances));
    assert_eq!(explanation.decision.action, Action::Keep);
    let text = explanation_text(&explanation, crate::report::OutputStyle::Plain);
    assert!(text.contains("instance arn:i-6 (found in instances)"), "{text}");
}

#[test]
fn an_image_that_is_wanted_again_is_said_to_be() {
    let explanation = told("ami-4", NOW);
    assert_eq!(explanation.decision.action.kind(), "rescue");
    let text = explanation_text(&explanation, crate::report::OutputStyle::Plain);
    assert!(text.contains("kept again, to be rescued by the next run in apply mode"), "{text}");
    assert!(text.contains("monthly = 2   matches: newest image of 2026-10"), "{text}");
}

#[test]
fn a_step_that_is_due_is_taken_now_and_the_next_ones_come_later() {
    let mut images = told("ami-5", NOW);
    images.decision.expired_at = Some("2026-12-24T12:00:00Z".parse().unwrap());
    let text = explanation_text(&images, crate::report::OutputStyle::Plain);
    assert!(text.contains("image-steward restore ami-5 --region eu-central-1"), "{text}");
    assert!(text.contains("image-steward keep ami-5 --region eu-central-1"), "{text}");
    let steps: Vec<_> = images.steps.iter().map(|one| (one.step, one.when)).collect();
    let at = |text: &str| When::At { at: text.parse().unwrap() };
    use crate::plan::Step;
    assert_eq!(
        steps,
        [
            (Step::Deprecate, When::Now),
            (Step::Disable, at("2027-01-07T12:00:00Z")),
            (Step::Deregister, at("2027-01-14T12:00:00Z")),
            (Step::DeleteSnapshots, at("2027-01-21T12:00:00Z")),
        ]
    );
}
