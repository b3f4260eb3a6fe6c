//! The contract of the port on Azure: the behavior of every implementation.
//!
//! Each clause is written once, for any [`AzureAccount`], and runs twice: on the in-memory fake, and on the
//! real adapter with the stand-in. A clause that needs what the stand-in does not have runs only on the
//! fake, and is listed with the reason. Where Azure does not document a behavior, no clause requires it:
//! [`AzureHabits`] lists these.

#![expect(clippy::unwrap_used, reason = "tests")]

mod disks;
mod lifecycle;
mod listing;
mod references;
mod tags;

use steward::cloud::{Cloud, Instances};
use steward::model::{Image, ImageId, SnapshotId};
use steward_azure::Azure;
use steward_tests::azure_fake::{
    AzureFake, AzureFleet, AzureHabits, FleetGallery, FleetManagedImage, FleetVersion, SUBSCRIPTION,
};
use steward_tests::azure_standin::AzureStandin;
use steward_tests::switches::Switches;

/// All ports of a subscription.
trait AzurePorts: Cloud + Instances {}

impl<T: Cloud + Instances> AzurePorts for T {}

/// A subscription, and its ports.
trait AzureAccount {
    /// A subscription with this content and without faults.
    async fn with(fleet: AzureFleet) -> Self;

    /// The implementation under test.
    ///
    /// Each is another run: what one has read of the subscription, the next one reads again.
    fn port(&self) -> Box<dyn AzurePorts>;

    async fn set(&self, switches: Switches);

    /// The content, read without the port.
    async fn world(&self) -> AzureFleet;

    /// Lets this many minutes pass.
    async fn pass(&self, minutes: i64);

    /// Waits until operations have ended.
    async fn settle(&self) {
        self.pass(24 * 60).await;
    }
}

struct InMemoryAzure(AzureFake);

impl AzureAccount for InMemoryAzure {
    async fn with(fleet: AzureFleet) -> Self {
        Self(AzureFake::new(&fleet))
    }

    fn port(&self) -> Box<dyn AzurePorts> {
        Box::new(self.0.clone())
    }

    async fn set(&self, switches: Switches) {
        self.0.set(switches);
    }

    async fn world(&self) -> AzureFleet {
        self.0.world()
    }

    async fn pass(&self, minutes: i64) {
        self.0.set_clock(self.0.now() + jiff::SignedDuration::from_mins(minutes));
    }
}

/// The real adapter, over the stand-in.
struct AzureOverTheWire {
    standin: AzureStandin,
    azure: Azure,
}

impl AzureAccount for AzureOverTheWire {
    async fn with(fleet: AzureFleet) -> Self {
        let mut standin = AzureStandin::of_environment().unwrap();
        standin.load(fleet).await;
        let azure = standin.azure().await;
        Self { standin, azure }
    }

    fn port(&self) -> Box<dyn AzurePorts> {
        Box::new(self.azure.for_another_run())
    }

    async fn set(&self, switches: Switches) {
        self.standin.set(&switches).await;
    }

    async fn world(&self) -> AzureFleet {
        self.standin.world().await
    }

    async fn pass(&self, minutes: i64) {
        self.standin.pass(minutes).await;
    }
}

/// Expands each clause to two tests, or to one on the fake if it is `fake_only`, with the reason.
macro_rules! azure_contract {
    ($($module:ident { $($(#[fake_only = $reason:literal])? $clause:ident)+ })+) => {
        mod fake {
            $($(
                #[tokio::test]
                async fn $clause() {
                    crate::$module::$clause::<crate::InMemoryAzure>().await;
                }
            )+)+
        }
        mod adapter {
            $($(
                azure_contract! { @adapter [$($reason)?] $module $clause }
            )+)+
        }
    };
    (@adapter [] $module:ident $clause:ident) => {
        #[tokio::test]
        async fn $clause() {
            if steward_tests::azure_standin::AzureStandin::of_environment().is_some() {
                return crate::$module::$clause::<crate::AzureOverTheWire>().await;
            }
            let name = concat!("adapter::", stringify!($clause));
            steward_tests::azure_standin::run_again(name, env!("CARGO_TARGET_TMPDIR"));
        }
    };
    (@adapter [$reason:literal] $module:ident $clause:ident) => {
        #[test]
        #[ignore = $reason]
        fn $clause() {
            panic!("runs only on the fake: {}", $reason);
        }
    };
}

azure_contract! {
    listing {
        a_version_is_listed_with_all_that_is_known_of_it
        a_managed_image_is_listed_with_all_that_is_known_of_it
        ids_in_any_case_are_one_image
        the_state_of_a_version_follows_from_its_operation_and_its_replicas
        images_are_found_together_and_by_name
        what_locks_a_version_or_a_parent_protects_it
        blocked_deletions_protect_until_the_end_of_life
        a_failed_version_is_protected_by_the_soft_delete
        the_soft_delete_of_the_gallery_is_the_recovery
        sharing_of_the_gallery_is_sharing_of_its_versions
        a_denied_reading_names_its_permission
    }
    lifecycle {
        the_end_of_life_is_set_and_removed
        a_version_is_excluded_with_its_end_of_life_and_included_again
        the_exclusions_of_regions_stay
        during_an_operation_others_are_refused
        an_update_that_changes_nothing_is_not_sent
        what_is_gone_accepts_no_steps
        a_managed_image_has_no_steps
        a_deleted_version_is_in_the_soft_delete
        a_version_of_a_gallery_without_soft_delete_is_gone
        a_deleted_managed_image_is_gone
        deleting_twice_succeeds
        a_deletion_with_an_old_check_is_not_sent
        what_azure_refuses_to_delete_stays
        a_soft_deleted_version_is_recovered
        what_is_not_in_the_soft_delete_is_not_recovered
        there_are_no_retention_rules
        nothing_is_shared_again
        a_denied_change_names_its_permission
    }
    tags {
        tags_are_set_whatever_the_case_of_their_names
        tags_are_removed_whatever_the_case_of_their_names
        a_missing_resource_is_not_tagged
        tags_beyond_the_limits_of_azure_are_refused
        resources_with_a_tag_are_listed
    }
    references {
        each_kind_of_resource_refers_to_its_image
        a_definition_means_its_latest_version_in_the_region
        without_a_certain_latest_version_all_are_meant
        named_subscriptions_are_read_completely
        a_named_subscription_that_cannot_be_read_fails_its_sources
        #[fake_only = "the stand-in has no Batch pools, and does not delay single resources"]
        the_resource_graph_is_late_and_covers_readable_subscriptions
        a_truncated_resource_graph_is_an_error
        a_shallow_version_refers_to_its_source
        instances_of_images_are_found
        virtual_machines_are_listed_by_tag_stopped_and_deleted
    }
    disks {
        disks_and_snapshots_are_listed_and_found
        attached_disks_and_needed_sources_are_referenced
        locked_snapshots_are_listed_and_not_deleted
        a_disk_is_deleted_permanently
    }
}

fn group() -> String {
    format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/Golden")
}

fn gallery_id(name: &str) -> String {
    format!("{}/providers/Microsoft.Compute/galleries/{name}", group())
}

/// A version of the definition `web` of the gallery `Gold`.
fn version_id(number: &str) -> String {
    format!("{}/images/Web/versions/{number}", gallery_id("Gold"))
}

fn managed_id(name: &str) -> String {
    format!("{}/providers/Microsoft.Compute/images/{name}", group())
}

fn image(id: &str) -> ImageId {
    id.parse().unwrap()
}

fn disk(id: &str) -> SnapshotId {
    id.parse().unwrap()
}

fn gallery(soft_delete_days: Option<u32>) -> FleetGallery {
    FleetGallery {
        id: gallery_id("Gold"),
        soft_delete_days,
        shared_with: Vec::new(),
        community: false,
    }
}

/// These versions in a gallery with 14 days of soft delete.
fn versions(versions: impl IntoIterator<Item = FleetVersion>) -> AzureFleet {
    AzureFleet {
        galleries: vec![gallery(Some(14))],
        versions: versions.into_iter().collect(),
        habits: AzureHabits { update_minutes: 5, delete_minutes: 10, ..AzureHabits::default() },
        ..AzureFleet::default()
    }
}

/// Version 1.0.0 and a managed image.
fn both() -> AzureFleet {
    AzureFleet {
        images: vec![FleetManagedImage::new(managed_id("Base"))],
        ..versions([FleetVersion::new(version_id("1.0.0"))])
    }
}

async fn the_version<A: AzureAccount>(account: &A) -> FleetVersion {
    account.world().await.versions.remove(0)
}

async fn find<A: AzureAccount>(account: &A, id: &str) -> Image {
    account.port().find_image(&image(id)).await.unwrap().unwrap()
}
