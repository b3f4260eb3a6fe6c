use super::*;

const POLICY: &str = "version = 1\n[[rule]]\nname = \"a\"\nkeep = { last = 1 }\n";

fn policy(more: &str) -> Policy {
    Policy::parse(&format!("{POLICY}{more}"), "test").unwrap()
}

fn machine(asked: &str) -> Machine {
    Machine {
        instance_id: "i-1".parse().unwrap(),
        state: MachineState::Running,
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

fn decide(machine: &Machine, guards: &Guards, image: Option<&Image>) -> String {
    decide_under(&policy(""), machine, guards, image, &[snapshot(Some(true))])
}

fn decide_under(
    policy: &Policy,
    machine: &Machine,
    guards: &Guards,
    image: Option<&Image>,
    snapshots: &[Snapshot],
) -> String {
    let account = "123456789012".parse().unwrap();
    let now = "2026-11-22T12:00:00Z".parse().unwrap();
    let image = image.map(|image| (image, snapshots));
    let found = decide_instance(machine, guards, image, &account, policy, now);
    let because: Vec<_> = found.because.iter().map(ToString::to_string).collect();
    format!("{:?}: {}", found.action, because.join("; "))
}

#[test]
fn a_machine_goes_once_its_own_image_is_there() {
    let (guards, image) = (Guards::default(), image());
    let machine = machine("ami-1");
    let stop = decide(&machine, &guards, Some(&image));
    assert_eq!(stop, "Stop: ami-1 is made of it and available");
    let terminate = policy("[instances]\nretire = \"terminate\"\n");
    let found = decide_under(&terminate, &machine, &guards, Some(&image), &[snapshot(Some(true))]);
    assert_eq!(found, "Terminate: ami-1 is made of it and available");
}

#[test]
fn a_volume_that_is_not_in_the_image_keeps_a_machine_from_its_end_but_not_from_a_stop() {
    let mut machine = machine("ami-1");
    machine.volumes = ["vol-1", "vol-2", "vol-3"].map(Into::into).into();
    let terminate = policy("[instances]\nretire = \"terminate\"\n");
    let decide = |policy, snapshot| {
        decide_under(policy, &machine, &Guards::default(), Some(&image()), &[snapshot])
    };
    assert_eq!(
        decide(&terminate, snapshot(Some(true))),
        "Keep: would be deleted with it and are not in the image: vol-2, vol-3"
    );
    // A copied snapshot does not say of which volume it was made.
    let unknown = Snapshot { volume_id: None, ..snapshot(Some(true)) };
    assert_eq!(
        decide(&terminate, unknown),
        "Keep: would be deleted with it and are not in the image: vol-1, vol-2, vol-3"
    );
    let stop = decide(&policy(""), snapshot(Some(true)));
    assert_eq!(stop, "Stop: ami-1 is made of it and available");
}

#[test]
fn it_is_asked_for_by_id_or_name() {
    let (policy, image) = (policy(""), image());
    for asked in ["ami-1", "web", " web "] {
        assert!(asks_for(&machine(asked), &image, &policy), "{asked}");
    }
    for asked in ["", " ", "ami-2", "we", "true", "Web"] {
        assert!(!asks_for(&machine(asked), &image, &policy), "{asked}");
    }
    let nameless = Image { name: "".into(), ..image };
    assert!(!asks_for(&machine(""), &nameless, &policy));
}

#[test]
fn whatever_is_in_doubt_keeps_it() {
    let good = Guards::default();
    let member_of = Some("the Auto Scaling group web".into());
    let group = Guards { member_of, ..Guards::default() };
    let protected = Guards { termination_protected: true, ..Guards::default() };
    let stop_protected = Guards { stop_protected: true, ..Guards::default() };
    let with = |change: fn(&mut Machine)| {
        let mut machine = machine("ami-1");
        change(&mut machine);
        machine
    };
    let of = |change: fn(&mut Image)| {
        let mut image = image();
        change(&mut image);
        Some(image)
    };
    let tagged = |machine: &mut Machine, key: &str, value: &str| {
        machine.tags = machine.tags.with(&[(key, value)].into_iter().collect());
    };
    let grouped = Machine { member_of: Some("the fleet f".into()), ..machine("ami-1") };
    let mut opted_out = machine("ami-1");
    tagged(&mut opted_out, "image-steward:keep", "");
    for (machine, guards, image, expected) in [
        (machine("ami-1"), &good, None, "there is no image `ami-1`"),
        (machine("ami-1"), &group, Some(image()), "in the Auto Scaling group web"),
        (grouped, &good, Some(image()), "in the fleet f"),
        (
            with(|one| one.tags = one.tags.without(&["image-steward:retire-when-imaged".into()])),
            &good,
            None,
            "it does not ask to be retired any more",
        ),
        (opted_out, &good, Some(image()), "opted out"),
        (machine("ami-1"), &protected, Some(image()), "protected from being terminated"),
        (machine("ami-1"), &stop_protected, Some(image()), "protected from being stopped"),
        (with(|one| one.state = MachineState::Stopped), &good, Some(image()), "it is stopped"),
        (with(|one| one.state = MachineState::Pending), &good, Some(image()), "it is pending"),
        (
            with(|one| one.started_at = Some("2026-11-21T00:00:00Z".parse().unwrap())),
            &good,
            Some(image()),
            "started again since the image was made, at 2026-11-21T00:00:00Z",
        ),
        (
            with(|one| one.started_at = None),
            &good,
            Some(image()),
            "nobody knows when it was started or imaged",
        ),
        (
            machine("ami-1"),
            &good,
            of(|image| image.created_at = None),
            "nobody knows when it was started or imaged",
        ),
        (
            machine("ami-1"),
            &good,
            of(|image| image.state = ImageState::Pending),
            "the image is pending",
        ),
        (
            machine("ami-1"),
            &good,
            of(|image| image.owner_id = None),
            "the image belongs to another account",
        ),
        (
            machine("ami-1"),
            &good,
            of(|image| image.source_instance = Some("i-2".parse().unwrap())),
            "the image was made from i-2",
        ),
        (
            machine("ami-1"),
            &good,
            of(|image| image.source_instance = None),
            "nobody knows which machine the image was made from",
        ),
        (
            machine("ami-1"),
            &good,
            of(|image| image.snapshots = Box::default()),
            "the image names no snapshots",
        ),
    ] {
        assert_eq!(decide(&machine, guards, image.as_ref()), format!("Keep: {expected}"));
    }
    let mark = |key: &str| [(key, "2026-11-21T00:00:00Z")].into_iter().collect();
    let expired = Image { tags: mark("image-steward:expired-at"), ..image() };
    let found = decide(&machine("ami-1"), &good, Some(&expired));
    assert_eq!(found, "Keep: the image is on its way out itself");
    let marked = Snapshot { tags: mark("image-steward:delete-after"), ..snapshot(Some(true)) };
    let found = decide_under(&policy(""), &machine("ami-1"), &good, Some(&image()), &[marked]);
    assert_eq!(found, "Keep: the image is on its way out itself");
    for snapshots in [vec![], vec![snapshot(Some(false))], vec![snapshot(None)]] {
        let machine = machine("ami-1");
        let found = decide_under(&policy(""), &machine, &good, Some(&image()), &snapshots);
        assert_eq!(found, "Keep: not complete: snap-1");
    }
}

#[test]
fn a_machine_that_is_where_it_should_be_is_left_out() {
    use MachineState::{Pending, Running, ShuttingDown, Stopped, Stopping, Terminated, Unknown};
    let terminate = policy("[instances]\nretire = \"terminate\"\n");
    for (policy, done) in [
        (policy(""), [Stopping, Stopped, ShuttingDown, Terminated].as_slice()),
        (terminate, &[ShuttingDown, Terminated]),
    ] {
        for state in [Pending, Running, Stopping, Stopped, ShuttingDown, Terminated, Unknown] {
            let machine = Machine { state, ..machine("ami-1") };
            assert_eq!(is_at_its_end(&machine, &policy), done.contains(&state), "{state}");
        }
    }
}
