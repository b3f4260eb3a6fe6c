use super::*;
use crate::model::{Provider, join_in_words};

const POLICY: &str = "version = 1\n[[rule]]\nname = \"a\"\nkeep = { last = 1 }\n";

fn policy(more: &str) -> Policy {
    Policy::parse(&format!("{POLICY}{more}"), "test").unwrap()
}

fn stop() -> Policy {
    policy("[instances]\nretire = \"stop\"\n")
}

fn instance(asked: &str) -> Instance {
    Instance {
        instance_id: "i-1".parse().unwrap(),
        state: InstanceState::Running,
        started_at: Some("2026-11-01T00:00:00Z".parse().unwrap()),
        tags: [("image-steward:retire-when-imaged", asked)].into_iter().collect(),
        volumes: Box::new(["vol-1".into()]),
        member_of: None,
    }
}

fn image() -> Image {
    serde_json::from_str(
        r#"{"image_id":"ami-1","name":"web","owner_id":"123456789012","state":"available",
            "created_at":"2026-11-20T00:00:00Z","snapshots":["snap-1"],"source_instance":"i-1"}"#,
    )
    .unwrap()
}

fn snapshot(completed: Option<bool>) -> Snapshot {
    let volume_id = Some("vol-1".into());
    Snapshot { completed, volume_id, ..Snapshot::new("snap-1".parse().unwrap()) }
}

fn decide(instance: &Instance, protection: &InstanceProtection, image: Option<&Image>) -> String {
    decide_under(&stop(), instance, protection, image, &[snapshot(Some(true))])
}

fn decide_under(
    policy: &Policy,
    instance: &Instance,
    protection: &InstanceProtection,
    image: Option<&Image>,
    snapshots: &[Snapshot],
) -> String {
    let account = "123456789012".parse().unwrap();
    let now = "2026-11-22T12:00:00Z".parse().unwrap();
    let image = image.map(|image| (image, snapshots));
    let found = decide_instance(instance, protection, image, &account, policy, now);
    let reasons = join_in_words(&found.reasons, Provider::Aws.words(), "; ");
    format!("{:?}: {reasons}", found.action)
}

#[test]
fn an_instance_is_retired_once_its_own_image_exists() {
    let (protection, image) = (InstanceProtection::default(), image());
    let instance = instance("ami-1");
    let stop = decide(&instance, &protection, Some(&image));
    assert_eq!(stop, "Stop: its image ami-1 is available");
    let terminate = policy("[instances]\nretire = \"terminate\"\n");
    let found =
        decide_under(&terminate, &instance, &protection, Some(&image), &[snapshot(Some(true))]);
    assert_eq!(found, "Terminate: its image ami-1 is available");
}

#[test]
fn nothing_is_retired_by_default() {
    let (good, image) = (InstanceProtection::default(), image());
    for more in ["", "[instances]\n", "[instances]\nretire = \"never\"\n"] {
        let policy = policy(more);
        let instance = instance("ami-1");
        let found = decide_under(&policy, &instance, &good, Some(&image), &[snapshot(Some(true))]);
        assert_eq!(found, format!("Keep: {NOT_ALLOWED}"), "{more}");
        assert_eq!(not_allowed(&instance, &policy).unwrap().reasons, [InstanceReason::NotAllowed]);
    }
    assert_eq!(not_allowed(&instance("ami-1"), &stop()), None);
}

#[test]
fn a_volume_missing_from_the_image_prevents_only_termination() {
    let mut instance = instance("ami-1");
    instance.volumes = ["vol-1", "vol-2", "vol-3"].map(Into::into).into();
    let terminate = policy("[instances]\nretire = \"terminate\"\n");
    let decide = |policy, snapshot| {
        decide_under(policy, &instance, &InstanceProtection::default(), Some(&image()), &[snapshot])
    };
    assert_eq!(
        decide(&terminate, snapshot(Some(true))),
        "Keep: volumes would be deleted but are not in the image: vol-2, vol-3"
    );
    // A copied snapshot does not record its source volume.
    let unknown = Snapshot { volume_id: None, ..snapshot(Some(true)) };
    assert_eq!(
        decide(&terminate, unknown),
        "Keep: volumes would be deleted but are not in the image: vol-1, vol-2, vol-3"
    );
    let stop = decide(&stop(), snapshot(Some(true)));
    assert_eq!(stop, "Stop: its image ami-1 is available");
}

#[test]
fn the_tag_contains_an_id_or_a_name() {
    let (policy, image) = (stop(), image());
    for asked in ["ami-1", "web", " web "] {
        assert!(asks_for(&instance(asked), &image, &policy), "{asked}");
    }
    for asked in ["", " ", "ami-2", "we", "true", "Web"] {
        assert!(!asks_for(&instance(asked), &image, &policy), "{asked}");
    }
    let nameless = Image { name: "".into(), ..image };
    assert!(!asks_for(&instance(""), &nameless, &policy));
}

/// The portal shows IDs as they were written, and image-steward in lower case.
#[test]
fn the_tag_contains_an_azure_id_in_any_spelling() {
    let id = "/subscriptions/0f0e0d0c-1234-5678-9abc-def012345678/resourceGroups/Golden/providers/Microsoft.Compute/images/Web-1";
    let image = Image { image_id: id.parse().unwrap(), ..image() };
    for asked in [id, &id.to_uppercase(), &id.to_lowercase()] {
        assert!(asks_for(&instance(asked), &image, &stop()), "{asked}");
    }
    assert!(!asks_for(&instance(&id[..id.len() - 1]), &image, &stop()));
}

#[test]
fn any_doubt_keeps_the_instance() {
    let good = InstanceProtection::default();
    let member_of = Some("the Auto Scaling group web".into());
    let group = InstanceProtection { member_of, ..InstanceProtection::default() };
    let protected =
        InstanceProtection { termination_protected: true, ..InstanceProtection::default() };
    let stop_protected =
        InstanceProtection { stop_protected: true, ..InstanceProtection::default() };
    let with = |change: fn(&mut Instance)| {
        let mut instance = instance("ami-1");
        change(&mut instance);
        instance
    };
    let of = |change: fn(&mut Image)| {
        let mut image = image();
        change(&mut image);
        Some(image)
    };
    let tagged = |instance: &mut Instance, key: &str, value: &str| {
        instance.tags = instance.tags.with(&[(key, value)].into_iter().collect());
    };
    let grouped = Instance { member_of: Some("the fleet f".into()), ..instance("ami-1") };
    let mut opted_out = instance("ami-1");
    tagged(&mut opted_out, "image-steward:keep", "");
    for (instance, protection, image, expected) in [
        (instance("ami-1"), &good, None, "image `ami-1` not found"),
        (instance("ami-1"), &group, Some(image()), "part of the Auto Scaling group web"),
        (grouped, &good, Some(image()), "part of the fleet f"),
        (
            with(|one| one.tags = one.tags.without(&["image-steward:retire-when-imaged".into()])),
            &good,
            None,
            "the tag that requests retirement was removed",
        ),
        (opted_out, &good, Some(image()), "excluded by tag"),
        (instance("ami-1"), &protected, Some(image()), "termination protection"),
        (instance("ami-1"), &stop_protected, Some(image()), "stop protection"),
        (
            with(|one| one.state = InstanceState::Stopped),
            &good,
            Some(image()),
            "the instance is stopped",
        ),
        (
            with(|one| one.state = InstanceState::Pending),
            &good,
            Some(image()),
            "the instance is pending",
        ),
        (
            with(|one| one.started_at = Some("2026-11-21T00:00:00Z".parse().unwrap())),
            &good,
            Some(image()),
            "started at 2026-11-21T00:00:00Z, after the image was created",
        ),
        (
            with(|one| one.started_at = None),
            &good,
            Some(image()),
            "start time of the instance or creation time of the image unknown",
        ),
        (
            instance("ami-1"),
            &good,
            of(|image| image.created_at = None),
            "start time of the instance or creation time of the image unknown",
        ),
        (
            instance("ami-1"),
            &good,
            of(|image| image.state = ImageState::Pending),
            "the image is pending",
        ),
        (
            instance("ami-1"),
            &good,
            of(|image| image.owner_id = None),
            "the image belongs to another account",
        ),
        (
            instance("ami-1"),
            &good,
            of(|image| image.source_instance = Some("i-2".parse().unwrap())),
            "the image was created from i-2",
        ),
        (
            instance("ami-1"),
            &good,
            of(|image| image.source_instance = None),
            "the source instance of the image is unknown",
        ),
        (
            instance("ami-1"),
            &good,
            of(|image| image.snapshots = Box::default()),
            "the image has no snapshots",
        ),
    ] {
        assert_eq!(decide(&instance, protection, image.as_ref()), format!("Keep: {expected}"));
    }
    let mark = |key: &str| [(key, "2026-11-21T00:00:00Z")].into_iter().collect();
    let expired = Image { tags: mark("image-steward:expired-at"), ..image() };
    let found = decide(&instance("ami-1"), &good, Some(&expired));
    assert_eq!(found, "Keep: the image is expired");
    let marked = Snapshot { tags: mark("image-steward:delete-after"), ..snapshot(Some(true)) };
    let found = decide_under(&stop(), &instance("ami-1"), &good, Some(&image()), &[marked]);
    assert_eq!(found, "Keep: the image is expired");
    for snapshots in [vec![], vec![snapshot(Some(false))], vec![snapshot(None)]] {
        let instance = instance("ami-1");
        let found = decide_under(&stop(), &instance, &good, Some(&image()), &snapshots);
        assert_eq!(found, "Keep: snapshots are incomplete or missing: snap-1");
    }
}

#[test]
fn an_already_retired_instance_is_skipped() {
    use InstanceState::{Pending, Running, ShuttingDown, Stopped, Stopping, Terminated, Unknown};
    let terminate = policy("[instances]\nretire = \"terminate\"\n");
    for (policy, done) in [
        (policy(""), [Stopping, Stopped, ShuttingDown, Terminated].as_slice()),
        (stop(), [Stopping, Stopped, ShuttingDown, Terminated].as_slice()),
        (terminate, &[ShuttingDown, Terminated]),
    ] {
        for state in [Pending, Running, Stopping, Stopped, ShuttingDown, Terminated, Unknown] {
            let instance = Instance { state, ..instance("ami-1") };
            assert_eq!(is_at_its_end(&instance, &policy), done.contains(&state), "{state}");
        }
    }
}

#[test]
fn an_unknown_state_tag_keeps_the_instance() {
    let (good, image) = (InstanceProtection::default(), image());
    let mut instance = instance("ami-1");
    let held = [("image-steward:held-by", "a scan")].into_iter().collect();
    instance.tags = instance.tags.with(&held);
    let found = decide(&instance, &good, Some(&image));
    assert_eq!(
        found,
        "Keep: not changed: this version does not know the tag image-steward:held-by"
    );
    // A tag that the policy uses has the meaning that the policy gives it.
    let named = policy(
        "[instances]\nretire = \"stop\"\n[safety]\nkeep_tags = { \"image-steward:held-by\" = \"us\" }\n",
    );
    let found = decide_under(&named, &instance, &good, Some(&image), &[snapshot(Some(true))]);
    assert_eq!(found, "Stop: its image ami-1 is available");
}
