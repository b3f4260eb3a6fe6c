//! The contract of the port: what every implementation of it does.
//!
//! Each clause is written once and runs twice, on the in-memory fake and on the real adapter
//! over the stand-in. Whatever else is tested on the fake alone is true of AWS as far as these
//! clauses reach, and as far as the stand-in tells the truth about AWS.
//!
//! `wire` and `connecting` hold what only the adapter has: how many calls it makes, what it
//! repeats, what it takes for an answer, and how it finds credentials.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod changes;
mod connecting;
mod listing;
mod references;
mod sharing;
mod wire;

use serde_json::Value;
use steward::aws::Aws;
use steward::cloud::{Cloud, ResourceId};
use steward::ids::{ImageId, SnapshotId};
use steward::tags::Tags;
use steward_tests::fake::Fake;
use steward_tests::fleet::Fleet;
use steward_tests::standin::Standin;
use steward_tests::switches::Switches;
use tokio::sync::MutexGuard;

/// An account, and the port to it.
trait Account {
    /// The implementation that is held to the contract.
    type Port: Cloud;

    /// An account with this content, in which nothing goes wrong.
    async fn with(fleet: Value) -> Self;

    fn port(&self) -> &Self::Port;

    async fn set(&self, switches: Switches);

    /// What the account holds, past the port.
    async fn world(&self) -> Fleet;
}

struct InMemory(Fake);

impl Account for InMemory {
    type Port = Fake;

    async fn with(fleet: Value) -> Self {
        Self(Fake::new(&serde_json::from_value(fleet).unwrap()))
    }

    fn port(&self) -> &Fake {
        &self.0
    }

    async fn set(&self, switches: Switches) {
        self.0.set(switches);
    }

    async fn world(&self) -> Fleet {
        self.0.world()
    }
}

struct OverTheWire {
    standin: MutexGuard<'static, Standin>,
    aws: Aws,
}

impl Account for OverTheWire {
    type Port = Aws;

    async fn with(fleet: Value) -> Self {
        let standin = Standin::shared().await;
        standin.set(&Switches::default()).await;
        standin.load(&serde_json::from_value(fleet).unwrap()).await;
        let aws = standin.aws().await;
        standin.forget_calls().await;
        Self { standin, aws }
    }

    fn port(&self) -> &Aws {
        &self.aws
    }

    async fn set(&self, switches: Switches) {
        self.standin.set(&switches).await;
    }

    async fn world(&self) -> Fleet {
        self.standin.world().await
    }
}

/// Makes two tests of every clause.
macro_rules! contract {
    ($($room:ident { $($clause:ident)+ })+) => {
        mod fake {
            $($(
                #[tokio::test]
                async fn $clause() {
                    crate::$room::$clause::<crate::InMemory>().await;
                }
            )+)+
        }
        mod adapter {
            $($(
                #[tokio::test]
                async fn $clause() {
                    crate::$room::$clause::<crate::OverTheWire>().await;
                }
            )+)+
        }
    };
}

contract! {
    listing {
        an_image_is_listed_with_all_that_is_known_of_it
        the_world_is_the_fleet_with_everything_filled_in
        own_images_are_listed_in_every_state
        every_page_is_listed
        a_failing_page_fails_the_listing
        an_image_is_found_until_it_is_deregistered
        snapshots_are_listed_and_found
        snapshots_are_listed_by_tag
        instances_are_found
        a_denied_reading_names_the_permission
    }
    sharing {
        launch_permissions_are_found
        only_public_sharing_is_in_the_listing
        a_shared_snapshot_is_listed_with_each_of_its_images
    }
    references {
        instances_hold_images_unless_terminated
        templates_hold_the_images_of_their_default_and_latest_version
        launch_configurations_hold_their_images
        groups_hold_the_images_of_the_versions_they_pin
        what_a_group_pins_and_is_gone_holds_nothing
        parameters_are_followed
        a_parameter_that_leads_nowhere_fails_the_templates
        more_templates_than_a_page_are_read
        a_denied_source_is_named_and_hides_no_other
        groups_are_unread_where_their_templates_are
        a_failing_page_fails_its_source
    }
    changes {
        tags_are_set_and_others_left_alone
        more_resources_than_a_call_takes_are_tagged
        one_missing_resource_fails_the_whole_call
        tags_beyond_the_limits_are_refused
        tags_are_removed_whatever_their_values
        removing_no_keys_removes_nothing
        deregistering_leaves_the_snapshots
        deregistering_twice_is_done
        deregistering_deletes_what_no_other_image_uses
        a_snapshot_counts_as_deleted_only_if_the_provider_says_so
        what_may_not_be_deregistered_stays
        snapshots_are_deleted_unless_in_use
        a_snapshot_may_be_in_use_for_a_while_longer
        a_denied_change_names_the_permission
    }
}

fn image(id: &str) -> ImageId {
    id.parse().unwrap()
}

fn snapshot(id: &str) -> SnapshotId {
    id.parse().unwrap()
}

/// Images and snapshots by their ids.
fn resources(ids: &[&str]) -> Vec<ResourceId> {
    let resource = |id: &&str| match id.starts_with("ami-") {
        true => ResourceId::Image(image(id)),
        false => ResourceId::Snapshot(snapshot(id)),
    };
    ids.iter().map(resource).collect()
}

fn tags(pairs: &[(&str, &str)]) -> Tags {
    pairs.iter().copied().collect()
}

/// The world's images, by id.
fn image_ids(world: &Fleet) -> Vec<&str> {
    world.images.iter().map(|image| image.image_id.as_str()).collect()
}

/// The world's snapshots, by id.
fn snapshot_ids(world: &Fleet) -> Vec<&str> {
    world.snapshots.iter().map(|snapshot| snapshot.snapshot_id.as_str()).collect()
}
