//! Clauses about references to images, and about virtual machines.

use steward::cloud::ErrorKind;
use steward::model::{
    ComputeEnvironments, InstanceState, Reference, ReferenceScope, Source, TemplateVersions,
};
use steward_tests::azure_fake::{
    AzureFleet, AzureHabits, FleetHolder, FleetState, FleetSubscription, FleetTarget, FleetVersion,
    HolderKind, Replica,
};
use steward_tests::switches::Switches;

use crate::{AzureAccount, both, group, image, managed_id, version_id, versions};

const NAMED: &str = "aaaaaaaa-0000-4000-8000-000000000001";
const UNNAMED: &str = "bbbbbbbb-0000-4000-8000-000000000002";
const UNREADABLE: &str = "cccccccc-0000-4000-8000-000000000003";
const TWO: TemplateVersions = TemplateVersions::DefaultAndLatest;

fn scope(accounts: &[&str]) -> ReferenceScope {
    ReferenceScope {
        versions: TWO,
        compute_environments: ComputeEnvironments::Read,
        ignore_templates: Vec::new(),
        accounts: accounts.iter().map(|one| one.parse().unwrap()).collect(),
    }
}

fn definition() -> String {
    version_id("1.0.0").replace("/versions/1.0.0", "")
}

fn in_subscription(subscription: &str, kind: &str, name: &str) -> String {
    format!("/subscriptions/{subscription}/resourceGroups/Apps/providers/{kind}/{name}")
}

const VM: &str = "Microsoft.Compute/virtualMachines";
const SET: &str = "Microsoft.Compute/virtualMachineScaleSets";

fn own(kind: &str, name: &str) -> String {
    format!("{}/providers/{kind}/{name}", group())
}

fn others() -> Vec<FleetSubscription> {
    [(NAMED, true), (UNNAMED, true), (UNREADABLE, false)]
        .map(|(id, readable)| FleetSubscription { id: id.to_owned(), readable })
        .into()
}

/// The references of one source, as `image kind name`.
async fn of<A: AzureAccount>(account: &A, source: Source, accounts: &[&str]) -> Vec<String> {
    let answers = account.port().list_references(&scope(accounts)).await;
    let answer = answers.into_iter().find(|one| one.source == source).unwrap();
    lines(&answer.found.unwrap())
}

fn lines(found: &[Reference]) -> Vec<String> {
    let line = |one: &Reference| {
        let name = one.arn.rsplit('/').next().unwrap();
        format!("{} {} {name}", one.image_id.short().trim_start_matches("golden/"), one.kind)
    };
    let mut lines: Vec<String> = found.iter().map(line).collect();
    lines.sort();
    lines
}

pub async fn each_kind_of_resource_refers_to_its_image<A: AzureAccount>() {
    let holder = |kind, path: &str, name: &str, image: String| {
        FleetHolder::new(kind, own(path, name).to_uppercase(), image)
    };
    let template = "Microsoft.VirtualMachineImages/imageTemplates";
    let account = A::with(AzureFleet {
        holders: vec![
            holder(HolderKind::VirtualMachine, VM, "vm", version_id("1.0.0").to_uppercase()),
            holder(HolderKind::ScaleSet, SET, "set", managed_id("BASE")),
            holder(
                HolderKind::ScaleSetInstance,
                &format!("{SET}/set/virtualMachines"),
                "0",
                version_id("1.0.0"),
            ),
            holder(HolderKind::ImageTemplate, template, "recipe", managed_id("base")),
            holder(HolderKind::VirtualMachine, VM, "market", "ubuntu".to_owned()),
        ],
        ..both()
    })
    .await;
    let all = [
        (Source::VirtualMachines, "gold/web/1.0.0 virtual_machine vm"),
        (Source::ScaleSets, "base scale_set set"),
        (Source::ScaleSetInstances, "gold/web/1.0.0 scale_set_instance 0"),
        (Source::ImageTemplates, "base image_template recipe"),
    ];
    for (source, expected) in &all {
        assert_eq!(of(&account, *source, &[]).await, [*expected]);
    }
    // It may repeat them.
    let graph = of(&account, Source::ResourceGraph, &[]).await;
    let is_known = |line: &String| all.iter().any(|(_, expected)| line == expected);
    assert!(graph.iter().all(is_known), "{graph:?}");
}

fn numbered(numbers: &[&str], change: impl Fn(&mut FleetVersion)) -> AzureFleet {
    let set = FleetHolder::new(HolderKind::ScaleSet, own(SET, "set"), definition());
    let all = numbers.iter().map(|number| {
        let mut version = FleetVersion::new(version_id(number));
        change(&mut version);
        version
    });
    AzureFleet { holders: vec![set], ..versions(all) }
}

pub async fn a_definition_means_its_latest_version_in_the_region<A: AzureAccount>() {
    let numbers = ["1.9.0", "1.10.0", "0.99.99"];
    type Change = fn(&mut FleetVersion);
    let cases: [(Change, &str); 5] = [
        (|_| {}, "1.10.0"),
        // The newest one by date is not the highest one.
        (
            |one| {
                one.published_at =
                    one.id.contains("1.9.0").then_some("2026-11-01T00:00:00Z".parse().unwrap())
            },
            "1.10.0",
        ),
        (|one| one.excluded = one.id.contains("1.10.0"), "1.9.0"),
        (|one| one.targets[0].excluded = one.id.contains("1.10.0"), "1.9.0"),
        (
            |one| {
                if one.id.contains("1.10.0") {
                    one.targets = vec![FleetTarget::new("northeurope")];
                }
            },
            "1.9.0",
        ),
    ];
    for (change, latest) in cases {
        let account = A::with(numbered(&numbers, change)).await;
        let found = of(&account, Source::ScaleSets, &[]).await;
        assert_eq!(found, [format!("gold/web/{latest} scale_set set")]);
    }
}

pub async fn without_a_certain_latest_version_all_are_meant<A: AzureAccount>() {
    let numbers = ["1.0.0", "2.0.0", "3.0.0"];
    // The highest one may become available at any time, or still be, or be again.
    for change in [
        (|one| one.state = FleetState::Creating) as fn(&mut FleetVersion),
        |one| one.state = FleetState::Deleting,
        |one| one.targets[0].replica = Replica::Failed,
    ] {
        let fleet = numbered(&numbers, |one| {
            if one.id.contains("3.0.0") {
                change(one);
            }
        });
        let found = of(&A::with(fleet).await, Source::ScaleSets, &[]).await;
        assert_eq!(found, ["gold/web/2.0.0 scale_set set", "gold/web/3.0.0 scale_set set"]);
    }
    for change in [
        (|one| one.excluded = true) as fn(&mut FleetVersion),
        |one| one.targets.clear(),
        |one| one.replicas_read = false,
    ] {
        let account = A::with(numbered(&numbers, change)).await;
        assert_eq!(of(&account, Source::ScaleSets, &[]).await.len(), 3);
    }
}

fn elsewhere() -> AzureFleet {
    let vm = |subscription, name| {
        let id = in_subscription(subscription, VM, name);
        FleetHolder::new(HolderKind::VirtualMachine, id, version_id("1.0.0"))
    };
    AzureFleet {
        others: others(),
        holders: vec![vm(NAMED, "a"), vm(UNNAMED, "b"), vm(UNREADABLE, "c")],
        ..both()
    }
}

pub async fn named_subscriptions_are_read_completely<A: AzureAccount>() {
    let account = A::with(elsewhere()).await;
    let source = Source::VirtualMachines;
    assert_eq!(of(&account, source, &[]).await, Vec::<String>::new());
    let found = of(&account, source, &[NAMED]).await;
    assert_eq!(found, ["gold/web/1.0.0 virtual_machine a"]);
}

pub async fn a_named_subscription_that_cannot_be_read_fails_its_sources<A: AzureAccount>() {
    let account = A::with(elsewhere()).await;
    // One that exists, and one that does not.
    let missing = "dddddddd-0000-4000-8000-000000000004";
    for (unreadable, kind) in [(UNREADABLE, ErrorKind::Denied), (missing, ErrorKind::Credentials)] {
        let answers = account.port().list_references(&scope(&[NAMED, unreadable])).await;
        // The adapter does not read the galleries of other subscriptions.
        let is_listed =
            |source: &Source| !matches!(source, Source::ResourceGraph | Source::ImageVersions);
        for answer in answers.iter().filter(|one| is_listed(&one.source)) {
            let error = answer.found.as_ref().unwrap_err();
            assert_eq!(error.kind, kind, "{}", answer.source);
            assert!(error.message.contains(unreadable), "{error}");
        }
        let listed = account.port().list_snapshot_references(&scope(&[unreadable])).await;
        assert_eq!(listed.unwrap_err().kind, kind);
    }
}

pub async fn the_resource_graph_is_late_and_covers_readable_subscriptions<A: AzureAccount>() {
    let mut fleet = elsewhere();
    fleet.habits = AzureHabits { graph_minutes: 60, ..AzureHabits::default() };
    let new = in_subscription(UNNAMED, VM, "new");
    let new = FleetHolder::new(HolderKind::VirtualMachine, new, version_id("1.0.0"));
    let added_at = "2026-11-22T11:30:00Z".parse().unwrap();
    fleet.holders.push(FleetHolder { added_at, ..new });
    let pool = in_subscription(UNNAMED, "Microsoft.Batch/batchAccounts/b/pools", "pool");
    fleet.holders.push(FleetHolder::new(HolderKind::BatchPool, pool, managed_id("Base")));
    let account = A::with(fleet).await;
    let expected = [
        "base batch_pool pool",
        "gold/web/1.0.0 virtual_machine a",
        "gold/web/1.0.0 virtual_machine b",
    ];
    assert_eq!(of(&account, Source::ResourceGraph, &[]).await, expected);
    let asked = [image(&managed_id("Base")), image(&version_id("9.0.0"))];
    let found = account.port().find_references_to(&asked, TWO).await.unwrap();
    assert_eq!(lines(&found), ["base batch_pool pool"]);
    account.pass(60).await;
    assert_eq!(of(&account, Source::ResourceGraph, &[]).await.len(), 4);
}

pub async fn a_truncated_resource_graph_is_an_error<A: AzureAccount>() {
    let mut fleet = elsewhere();
    fleet.habits.graph_truncated = true;
    let account = A::with(fleet).await;
    let answers = account.port().list_references(&scope(&[])).await;
    let failed: Vec<_> = answers.iter().filter(|one| one.found.is_err()).collect();
    assert_eq!(failed.len(), 1);
    assert_eq!(failed[0].source, Source::ResourceGraph);
    let asked = [image(&version_id("1.0.0"))];
    assert!(account.port().find_references_to(&asked, TWO).await.is_err());
}

pub async fn a_shallow_version_refers_to_its_source<A: AzureAccount>() {
    let source = Some(managed_id("Base").to_uppercase());
    for (shallow, state, held) in [
        (true, FleetState::Succeeded, true),
        (false, FleetState::Succeeded, false),
        (false, FleetState::Creating, true),
    ] {
        let version = FleetVersion {
            shallow,
            state,
            source: source.clone(),
            ..FleetVersion::new(version_id("1.0.0"))
        };
        let account = A::with(AzureFleet { versions: vec![version], ..both() }).await;
        let found = of(&account, Source::ImageVersions, &[]).await;
        let expected = held.then(|| "base image_version 1.0.0".to_owned());
        assert_eq!(found, Vec::from_iter(expected));
    }
}

pub async fn instances_of_images_are_found<A: AzureAccount>() {
    let vm =
        |name, image: String| FleetHolder::new(HolderKind::VirtualMachine, own(VM, name), image);
    let stopped = FleetHolder { stopped: true, ..vm("b", managed_id("Base")) };
    let account =
        A::with(AzureFleet { holders: vec![vm("a", version_id("1.0.0")), stopped], ..both() })
            .await;
    let asked = [image(&managed_id("Base")), image(&version_id("9.0.0"))];
    let found = account.port().find_instances_of(&asked).await.unwrap();
    assert_eq!(lines(&found), ["base virtual_machine b"]);
    account.set(Switches::deny(&["Microsoft.Compute/virtualMachines/read"])).await;
    assert_eq!(account.port().find_instances_of(&[]).await.unwrap(), []);
    assert!(account.port().find_instances_of(&asked).await.is_err());
}

pub async fn virtual_machines_are_listed_by_tag_stopped_and_deleted<A: AzureAccount>() {
    let vm = FleetHolder {
        tags: [("Image-Steward:Retire-When-Imaged", "web")].into_iter().collect(),
        ..FleetHolder::new(HolderKind::VirtualMachine, own(VM, "Build"), managed_id("Base"))
    };
    let other = FleetHolder::new(HolderKind::VirtualMachine, own(VM, "Other"), managed_id("Base"));
    let account = A::with(AzureFleet { holders: vec![vm, other], ..both() }).await;
    let port = account.port();
    let listed = port.list_instances_tagged("image-steward:retire-when-imaged").await.unwrap();
    let [found] = <[_; 1]>::try_from(listed).unwrap();
    assert_eq!(
        (found.instance_id.short().trim_start_matches("golden/"), found.state),
        ("build", InstanceState::Running)
    );
    let id = found.instance_id.clone();
    assert_eq!(port.find_instance(&id).await.unwrap(), Some(found));
    port.stop(&id).await.unwrap();
    account.settle().await;
    assert_eq!(port.find_instance(&id).await.unwrap().unwrap().state, InstanceState::Stopped);
    port.terminate(&id).await.unwrap();
    account.settle().await;
    assert_eq!(port.find_instance(&id).await.unwrap(), None);
    port.terminate(&id).await.unwrap();
}
