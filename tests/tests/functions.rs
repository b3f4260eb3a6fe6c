//! The functions' work from event to answer, on the fake: who made an image, machines that are
//! retired, and what others are told of it all.

#![expect(clippy::unwrap_used, reason = "tests")]

use jiff::Timestamp;
use serde_json::{Value, json};
use steward::announce::announce;
use steward::apply::{Deadline, NoDeadline};
use steward::event::Trigger;
use steward::jobs::{Answer, Job, JobError, Mode, Report, Work};
use steward::policy::Policy;
use steward::report::events::Event;
use steward::survey::Home;
use steward::tags::Tags;
use steward_tests::fake::{Call, Fake};

const ALICE: &str = "arn:aws:sts::123456789012:assumed-role/Packer/alice";
const POLICY: &str = r#"
version = 1
[[rule]]
name = "all"
keep = { last = 1 }
retire = { deprecate_after = "0d", disable_after = "7d", deregister_after = "14d", delete_snapshots_after = "0d" }
[safety]
max_fraction = 1.0
[tagging]
set = { ManagedBy = "image-steward" }
"#;

fn fake(fleet: Value) -> Fake {
    Fake::new(&serde_json::from_value(fleet).unwrap())
}

fn now() -> Timestamp {
    "2026-11-22T12:00:00Z".parse().unwrap()
}

fn run_within(
    fake: &Fake,
    policy: &str,
    mode: Mode,
    work: Work,
    event: &Value,
    deadline: &impl Deadline,
) -> Result<Report, JobError> {
    let policy = Policy::parse(policy, "test").unwrap();
    let home = Home { account: fake.account().clone(), region: fake.region().clone() };
    let job = Job { cloud: fake, home: &home, policy: &policy, mode, now: now(), deadline };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(job.run(work, &Trigger::parse(event)))
}

fn run_under(fake: &Fake, policy: &str, mode: Mode, work: Work, event: &Value) -> Report {
    run_within(fake, policy, mode, work, event, &NoDeadline).unwrap()
}

fn run(fake: &Fake, work: Work, event: &Value) -> Report {
    run_under(fake, POLICY, Mode::Apply, work, event)
}

fn image_event(image: &str, state: &str) -> Value {
    json!({
        "version": "0", "id": "e", "detail-type": "EC2 AMI State Change", "source": "aws.ec2",
        "account": "123456789012", "region": "eu-central-1", "time": "2026-11-22T12:00:00Z",
        "resources": [], "detail": {"ImageId": image, "State": state},
    })
}

fn schedule() -> Value {
    json!({"source": "aws.scheduler", "detail-type": "Scheduled Event", "detail": {}})
}

fn made(image: &str, call: &str) -> Value {
    json!({
        "version": "0", "id": "e", "detail-type": "AWS API Call via CloudTrail", "source": "aws.ec2",
        "account": "123456789012", "region": "eu-central-1", "time": "2026-11-22T12:00:00Z",
        "resources": [],
        "detail": {
            "eventSource": "ec2.amazonaws.com", "eventName": call, "awsRegion": "eu-central-1",
            "userIdentity": {"type": "AssumedRole", "principalId": "AROA:alice", "arn": ALICE},
            "requestParameters": {"instanceId": "i-00000001", "name": "web"},
            "responseElements": {"imageId": image},
        },
    })
}

mod creator {
    use super::*;

    fn new_image() -> Value {
        json!({
            "images": [{"image_id": "ami-00000001", "snapshots": ["snap-00000001", "snap-00000002"]}],
        })
    }

    /// Who made it, by the tags of the image and of its snapshots.
    fn creators(fake: &Fake) -> Vec<Option<String>> {
        let world = fake.world();
        let images = world.images.iter().map(|one| &one.tags);
        let all: Vec<&Tags> = images.chain(world.snapshots.iter().map(|one| &one.tags)).collect();
        all.iter().map(|tags| tags.get("image-steward:created-by").map(Into::into)).collect()
    }

    fn all_by_alice() -> Vec<Option<String>> {
        vec![Some(ALICE.to_owned()); 3]
    }

    #[test]
    fn is_written_down_when_the_image_is_available_already() {
        let fake = fake(new_image());
        let report = run(&fake, Work::TagImage, &image_event("ami-00000001", "available"));
        assert_eq!(creators(&fake), [None, None, None]);
        assert_eq!(report.counts.unwrap().images_tagged, 1);
        let report = run(&fake, Work::TagImage, &made("ami-00000001", "CreateImage"));
        assert_eq!(creators(&fake), all_by_alice());
        assert_eq!(report.counts.as_ref().unwrap().images_tagged, 0, "it is no new image");
        let [Event::ImageTagged(told)] = report.events.as_slice() else { panic!("{report:?}") };
        assert_eq!(told.tags.len(), 3);
    }

    #[test]
    fn is_written_down_when_the_call_is_heard_of_first() {
        let fake = fake(new_image());
        fake.change(|fleet| {
            fleet.images[0].state = "pending".into();
            fleet.images[0].snapshots.clear();
        });
        run(&fake, Work::TagImage, &made("ami-00000001", "CopyImage"));
        assert_eq!(creators(&fake), [Some(ALICE.to_owned()), None, None]);
        fake.change(|fleet| {
            fleet.images[0].state = "available".into();
            fleet.images[0].snapshots =
                ["snap-00000001", "snap-00000002"].map(|id| id.parse().unwrap()).into();
        });
        run(&fake, Work::TagImage, &image_event("ami-00000001", "available"));
        assert_eq!(creators(&fake), all_by_alice());
    }

    #[test]
    fn is_written_once() {
        let fake = fake(new_image());
        run(&fake, Work::TagImage, &made("ami-00000001", "RegisterImage"));
        fake.forget_calls();
        let mut again = made("ami-00000001", "RegisterImage");
        run(&fake, Work::TagImage, &again);
        again["detail"]["userIdentity"]["arn"] = json!("arn:aws:iam::123456789012:user/mallory");
        run(&fake, Work::TagImage, &again);
        assert_eq!(fake.changing_calls(), []);
        assert_eq!(creators(&fake), all_by_alice());
    }

    #[test]
    fn who_is_named_by_the_image_itself_is_believed_and_its_snapshots_say_the_same() {
        let fake = fake(new_image());
        fake.change(|fleet| {
            fleet.images[0].tags = [("image-steward:created-by", "team-web")].into_iter().collect();
        });
        run(&fake, Work::TagImage, &made("ami-00000001", "CreateImage"));
        assert_eq!(creators(&fake), vec![Some("team-web".to_owned()); 3]);
    }

    #[test]
    fn is_cut_to_what_a_tag_holds_whichever_event_comes_first() {
        let long = format!("arn:aws:iam::123456789012:user/{}/alice", "x".repeat(300));
        let mut event = made("ami-00000001", "CreateImage");
        event["detail"]["userIdentity"]["arn"] = json!(long);
        for first in [None, Some(image_event("ami-00000001", "available"))] {
            let fake = fake(new_image());
            if let Some(first) = first {
                run(&fake, Work::TagImage, &first);
            }
            let report = run(&fake, Work::TagImage, &event);
            let Answer::Tagged(tagged) = report.answer else { panic!() };
            assert_eq!(tagged.dropped, []);
            assert_eq!(creators(&fake), vec![Some(long[..256].to_owned()); 3]);
        }
    }

    #[test]
    fn is_asked_for_again_while_the_image_is_not_to_be_seen_yet() {
        let fake = fake(json!({}));
        let event_of = |time: &str| {
            let mut event = made("ami-00000001", "CreateImage");
            event["detail"]["eventTime"] = json!(time);
            run_within(&fake, POLICY, Mode::Apply, Work::TagImage, &event, &NoDeadline)
        };
        let error = event_of("2026-11-22T11:58:30Z").unwrap_err();
        assert_eq!(error, JobError::NotSeen("ami-00000001".parse().unwrap()));
        let report = event_of("2026-11-22T11:57:30Z").unwrap();
        assert!(matches!(report.answer, Answer::Ignored { .. }), "it is gone by now");
    }

    #[test]
    fn is_only_said_in_plan_mode() {
        let fake = fake(new_image());
        let event = made("ami-00000001", "CreateImage");
        let report = run_under(&fake, POLICY, Mode::Plan, Work::TagImage, &event);
        let Answer::Tagged(tagged) = report.answer else { panic!() };
        assert_eq!(tagged.tagged.len(), 3, "{tagged:?}");
        assert_eq!((fake.changing_calls(), report.events), (vec![], vec![]));
    }

    #[test]
    fn needs_a_call_that_made_an_image_of_ours() {
        let fake = fake(json!({
            "images": [{"image_id": "ami-00000001", "owner_id": "999999999999"}],
        }));
        let mut failed = made("ami-00000001", "CreateImage");
        failed["detail"]["errorCode"] = json!("Client.UnauthorizedOperation");
        let mut nobody = made("ami-00000001", "CreateImage");
        nobody["detail"]["userIdentity"] = json!({"type": "Unknown"});
        let mut elsewhere = made("ami-00000001", "CreateImage");
        elsewhere["detail"]["awsRegion"] = json!("us-east-1");
        for (event, why) in [
            (made("ami-00000001", "CreateImage"), "belongs to another account"),
            (made("ami-0000ffff", "CreateImage"), "is gone"),
            (made("ami-00000001", "RunInstances"), "the call RunInstances"),
            (made("i-1", "CreateImage"), "detail.responseElements.imageId"),
            (failed, "failed: Client.UnauthorizedOperation"),
            (nobody, "names nobody"),
            (elsewhere, "the event is from us-east-1"),
        ] {
            let report = run(&fake, Work::TagImage, &event);
            let Answer::Ignored { why: found } = &report.answer else { panic!("{report:?}") };
            assert!(found.contains(why), "{found}");
            assert_eq!(report.counts, None);
        }
        assert_eq!(fake.changing_calls(), []);
    }
}

mod retiring {
    use super::*;

    const TAG: &str = "image-steward:retire-when-imaged";

    /// A machine that waits for `asked`, and the image that was made of it.
    fn imaged(asked: &str) -> Fake {
        fake(json!({
            "images": [{
                "image_id": "ami-00000002", "name": "web-2", "created_at": "2026-11-22T11:00:00Z",
                "source_instance": "i-00000001", "snapshots": ["snap-00000001"],
            }],
            "instances": [
                {"instance_id": "i-00000001", "image_id": "ami-00000001", "tags": {TAG: asked}},
                {"instance_id": "i-00000002", "image_id": "ami-00000001"},
            ],
        }))
    }

    fn states(fake: &Fake) -> Vec<String> {
        fake.world().instances.iter().map(|one| one.state.clone()).collect()
    }

    fn kept(report: &Report) -> Vec<String> {
        let Answer::Retired(retired) = &report.answer else { panic!("{report:?}") };
        assert!(retired.retired.is_empty() && retired.failed.is_empty(), "{retired:?}");
        let because = retired.kept.iter().flat_map(|one| &one.because);
        because.map(ToString::to_string).collect()
    }

    #[test]
    fn stops_the_machine_that_asked_for_it() {
        for (asked, event) in [
            ("ami-00000002", image_event("ami-00000002", "available")),
            ("web-2", image_event("ami-00000002", "available")),
            ("web-2", schedule()),
        ] {
            let fake = imaged(asked);
            let report = run(&fake, Work::RetireInstance, &event);
            assert_eq!(states(&fake), ["stopped", "running"], "{asked}");
            assert!(matches!(report.events.last(), Some(Event::InstanceRetired(one))
                if one.instance_id == "i-00000001" && one.action == "stop"));
            assert_eq!(report.counts.unwrap().instances_retired, 1);
            // Once more, nothing happens: it is stopped.
            fake.forget_calls();
            let report = run(&fake, Work::RetireInstance, &schedule());
            assert_eq!((kept(&report), fake.calls().len()), (vec![], 2), "two listings");
        }
    }

    #[test]
    fn terminates_if_the_policy_says_so() {
        let fake = imaged("web-2");
        let policy = format!("{POLICY}[instances]\nretire = \"terminate\"\n");
        let event = image_event("ami-00000002", "available");
        run_under(&fake, &policy, Mode::Apply, Work::RetireInstance, &event);
        assert_eq!(states(&fake), ["terminated", "running"]);
    }

    #[test]
    fn only_says_so_in_plan_mode() {
        let fake = imaged("web-2");
        let report = run_under(&fake, POLICY, Mode::Plan, Work::RetireInstance, &schedule());
        let Answer::Retired(retired) = &report.answer else { panic!() };
        assert_eq!(retired.retired.len(), 1);
        assert_eq!((fake.changing_calls(), states(&fake)[0].as_str()), (vec![], "running"));
        assert_eq!(report.counts.unwrap().instances_retired, 0);
        let [Event::SweepCompleted(_)] = report.events.as_slice() else { panic!() };
    }

    #[test]
    fn leaves_a_machine_whose_image_is_not_really_there() {
        let event = image_event("ami-00000002", "available");
        let retire = |change: fn(&mut steward_tests::fleet::Fleet)| {
            let fake = imaged("web-2");
            fake.change(change);
            let report = run(&fake, Work::RetireInstance, &event);
            assert_eq!((fake.changing_calls(), states(&fake)[1].as_str()), (vec![], "running"));
            kept(&report)
        };
        assert_eq!(
            retire(|fleet| fleet.images[0].state = "pending".into()),
            ["the image is pending"]
        );
        assert_eq!(
            retire(|fleet| fleet.snapshots[0].state = "pending".into()),
            ["not complete: snap-00000001"]
        );
    }

    #[test]
    fn leaves_a_machine_that_is_protected_or_in_a_group() {
        for (change, reason) in [
            (
                (|one| one.protected = true) as fn(&mut steward_tests::fleet::FleetInstance),
                "protected from being terminated",
            ),
            (|one| one.stop_protected = true, "protected from being stopped"),
            (|one| one.group = Some("web".into()), "in the Auto Scaling group web"),
            (|one| one.spot_request = Some("sir-1".into()), "in the Spot request sir-1"),
            (
                |one| one.launched_at = "2026-11-22T11:30:00Z".parse().unwrap(),
                "started again since the image was made, at 2026-11-22T11:30:00Z",
            ),
            (|one| one.state = "pending".into(), "it is pending"),
        ] {
            let fake = imaged("web-2");
            fake.change(|fleet| change(&mut fleet.instances[0]));
            let report = run(&fake, Work::RetireInstance, &schedule());
            assert_eq!((kept(&report), fake.changing_calls()), (vec![reason.to_owned()], vec![]));
        }
    }

    #[test]
    fn leaves_a_machine_that_asked_for_another_image() {
        // The image was enabled again, long after: the machine never asked for this one.
        for asked in ["ami-00000009", "", "yes", "web"] {
            let fake = imaged(asked);
            let report =
                run(&fake, Work::RetireInstance, &image_event("ami-00000002", "available"));
            assert_eq!(kept(&report), [] as [&str; 0]);
            let report = run(&fake, Work::RetireInstance, &schedule());
            assert_eq!(kept(&report), [format!("there is no image `{asked}`")]);
            assert_eq!(fake.changing_calls(), []);
        }
        let fake = imaged("web-2");
        fake.change(|fleet| fleet.images[0].source_instance = Some("i-00000002".parse().unwrap()));
        let report = run(&fake, Work::RetireInstance, &schedule());
        assert_eq!(kept(&report), ["the image was made from i-00000002"]);
    }

    type Change = fn(&mut steward_tests::fleet::Fleet);

    /// What happens between the listing and the step.
    #[test]
    fn looks_again_right_before_the_step() {
        let changes: [(Change, &str); 7] = [
            (|fleet| fleet.images.clear(), "there is no image `web-2`"),
            (|fleet| fleet.images[0].state = "disabled".into(), "the image is disabled"),
            (|fleet| set(fleet, "image-steward:keep", ""), "opted out"),
            (|fleet| set(fleet, TAG, "web-3"), "there is no image `web-3`"),
            (
                |fleet| fleet.instances[0].tags = Tags::default(),
                "it does not ask to be retired any more",
            ),
            (
                |fleet| fleet.instances[0].launched_at = "2026-11-22T11:59:00Z".parse().unwrap(),
                "started again since the image was made, at 2026-11-22T11:59:00Z",
            ),
            (
                |fleet| fleet.instances[0].volumes = vec!["vol-00000009".into()],
                "would be deleted with it and are not in the image: vol-00000009",
            ),
        ];
        let policy = format!("{POLICY}[instances]\nretire = \"terminate\"\n");
        for (change, reason) in changes {
            let fake = imaged("web-2");
            fake.freeze_listings();
            fake.change(change);
            let report = run_under(&fake, &policy, Mode::Apply, Work::RetireInstance, &schedule());
            assert_eq!((kept(&report), fake.changing_calls()), (vec![reason.to_owned()], vec![]));
        }
        let fake = imaged("web-2");
        fake.freeze_listings();
        fake.change(|fleet| fleet.instances.clear());
        let report = run(&fake, Work::RetireInstance, &schedule());
        assert_eq!((kept(&report), fake.changing_calls()), (vec![], vec![]));
    }

    fn set(fleet: &mut steward_tests::fleet::Fleet, key: &str, value: &str) {
        let tags = &mut fleet.instances[0].tags;
        *tags = tags.with(&[(key, value)].into_iter().collect());
    }

    #[test]
    fn says_that_a_sweep_succeeded_in_part() {
        let fake = imaged("web-2");
        fake.change(|fleet| {
            let mut other = fleet.instances[0].clone();
            other.instance_id = "i-00000003".parse().unwrap();
            fleet.instances.push(other);
            let mut image = fleet.images[0].clone();
            image.image_id = "ami-00000003".parse().unwrap();
            image.name = Some("web-3".into());
            image.source_instance = Some("i-00000003".parse().unwrap());
            fleet.images.push(image);
            set(fleet, TAG, "web-2");
            fleet.instances[2].tags = [(TAG, "web-3")].into_iter().collect();
        });
        fake.fail("ec2:StopInstances", 1, "InternalError");
        let report = run(&fake, Work::RetireInstance, &schedule());
        let Event::SweepCompleted(sweep) = &report.events[0] else { panic!("{report:?}") };
        let counts = (sweep.counts.instances_retired, sweep.counts.failed);
        assert_eq!((sweep.status.as_str(), counts), ("part", (1, 1)));
        assert_eq!(report.failure, None);
    }

    #[test]
    fn leaves_the_rest_to_the_next_run_when_the_time_is_over() {
        let fake = imaged("web-2");
        let late = || std::time::Duration::from_secs(14);
        let report =
            run_within(&fake, POLICY, Mode::Apply, Work::RetireInstance, &schedule(), &late);
        let Ok(Report { answer: Answer::Retired(retired), .. }) = report else { panic!() };
        assert_eq!(retired.not_reached.len(), 1);
        assert_eq!(fake.changing_calls(), []);
    }

    #[test]
    fn keeps_what_it_could_not_look_at() {
        for action in [
            "ec2:DescribeInstanceAttribute",
            "autoscaling:DescribeAutoScalingInstances",
            "ec2:DescribeSnapshots",
        ] {
            let fake = imaged("web-2");
            fake.fail(action, 1, "InternalError");
            let report = run(&fake, Work::RetireInstance, &schedule());
            let Answer::Retired(retired) = &report.answer else { panic!() };
            assert_eq!((retired.failed.len(), fake.changing_calls()), (1, vec![]), "{action}");
            assert!(report.failure.is_some(), "nothing succeeded: the runtime tries again");
        }
    }
}

mod telling {
    use super::*;

    /// Two expired images of one family, one of them marked long ago, and a machine.
    fn family() -> Fake {
        fake(json!({
            "images": [
                {"image_id": "ami-00000001", "created_at": "2026-10-01T00:00:00Z",
                 "snapshots": ["snap-00000001"],
                 "tags": {"image-steward:expired-at": "2026-11-01T00:00:00Z"}},
                {"image_id": "ami-00000002", "created_at": "2026-10-02T00:00:00Z"},
                {"image_id": "ami-00000003", "created_at": "2026-10-03T00:00:00Z"},
            ],
            "instances": [{"instance_id": "i-00000001", "image_id": "ami-00000003"}],
        }))
    }

    #[test]
    fn says_what_happened_to_each_image_and_what_comes_next() {
        let fake = family();
        let report = run(&fake, Work::PruneImages, &schedule());
        let told: Vec<_> = report.events.iter().map(Event::detail_type).collect();
        assert_eq!(
            told,
            [
                "Sweep Completed",
                "Image Expired",
                "Image Deprecated",
                "Image Deregistered",
                "Snapshot Deleted",
            ]
        );
        let Event::ImageExpired(step) = &report.events[1] else { panic!() };
        let next = step.next.as_ref().unwrap();
        assert_eq!((next.action.as_str(), next.at.as_str()), ("deprecate", "2026-11-22T12:00:00Z"));
        let Event::ImageDeprecated(step) = &report.events[2] else { panic!() };
        assert_eq!((step.image_id.as_str(), step.rule.as_deref()), ("ami-00000002", Some("all")));
        assert_eq!(step.because, ["expired: number 2 of 3"]);
        assert_eq!(step.reasons, [json!({"reason": "expired", "rank": 2, "of": 3})]);
        let next = step.next.as_ref().unwrap();
        assert_eq!((next.action.as_str(), next.at.as_str()), ("disable", "2026-11-29T12:00:00Z"));
        assert_eq!(step.opt_out_tag, "image-steward:keep");
        let Event::SnapshotDeleted(gone) = &report.events[4] else { panic!() };
        assert_eq!(
            (gone.snapshot_id.as_str(), gone.image_id.as_deref(), gone.size_gib),
            ("snap-00000001", Some("ami-00000001"), Some(8))
        );
        let counts = report.counts.unwrap();
        assert_eq!((counts.images_seen, counts.images_in_use, counts.images_kept), (3, 1, 1));
        assert_eq!((counts.images_deregistered, counts.gib_freed), (1, 8));
    }

    #[test]
    fn says_nothing_of_images_in_plan_mode() {
        let fake = family();
        let report = run_under(&fake, POLICY, Mode::Plan, Work::PruneImages, &schedule());
        let [Event::SweepCompleted(sweep)] = report.events.as_slice() else { panic!() };
        assert_eq!((sweep.mode.as_str(), sweep.status.as_str()), ("plan", "done"));
    }

    #[test]
    fn says_why_a_sweep_refused_in_both_modes() {
        for mode in [Mode::Plan, Mode::Apply] {
            let fake = family();
            fake.change(|fleet| fleet.instances.clear());
            let report = run_under(&fake, POLICY, mode, Work::PruneImages, &schedule());
            let [Event::SweepRefused(refused), Event::SweepCompleted(sweep), ..] =
                report.events.as_slice()
            else {
                panic!("{:?}", report.events)
            };
            assert!(refused.refusal.contains("reference"), "{}", refused.refusal);
            assert_eq!((sweep.status.as_str(), sweep.counts.refused), ("refused", 1));
        }
    }

    #[test]
    fn says_nothing_of_a_sweep_when_it_looks_at_one_image_only() {
        let fake = fake(json!({
            "images": [{"image_id": "ami-00000003"}],
            "instances": [{"instance_id": "i-00000001", "image_id": "ami-00000003"}],
        }));
        let event = image_event("ami-00000001", "deregistered");
        let report = run(&fake, Work::ReapSnapshots, &event);
        assert_eq!(report.events, []);
        let report = run(&fake, Work::ReapSnapshots, &schedule());
        assert!(matches!(report.events[..], [Event::SweepCompleted(_)]), "{report:?}");
    }

    #[test]
    fn counts_what_nobody_took() {
        let fake = family();
        let report = run(&fake, Work::PruneImages, &schedule());
        fake.set(steward_tests::switches::Switches::deny(&["events:PutEvents"]));
        let home = Home { account: fake.account().clone(), region: fake.region().clone() };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let told = runtime.block_on(announce(&fake, "default", &home, &report.events, &NoDeadline));
        assert_eq!((told.sent, told.lost), (0, 5));
        assert_eq!(fake.messages(), []);
    }

    #[test]
    fn names_what_each_message_is_about() {
        let fake = family();
        let report = run(&fake, Work::PruneImages, &schedule());
        fake.forget_calls();
        let home = Home { account: fake.account().clone(), region: fake.region().clone() };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(announce(&fake, "desk", &home, &report.events, &NoDeadline));
        let [Call::Put(bus, messages)] = &fake.calls()[..] else { panic!() };
        assert_eq!(bus, "desk");
        let arns: Vec<_> = messages.iter().flat_map(|one| &one.resources).collect();
        assert_eq!(
            arns,
            [
                "arn:aws:ec2:eu-central-1::image/ami-00000002",
                "arn:aws:ec2:eu-central-1::image/ami-00000002",
                "arn:aws:ec2:eu-central-1::image/ami-00000001",
                "arn:aws:ec2:eu-central-1::snapshot/snap-00000001",
            ]
        );
    }
}
