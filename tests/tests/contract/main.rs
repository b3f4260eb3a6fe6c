//! The contract of the port: the behavior of every implementation.
//!
//! Each clause is written once and runs twice: on the in-memory fake, and on the real adapter with
//! the stand-in. So tests on the fake also hold for AWS, as far as the clauses cover the behavior
//! and the stand-in matches AWS.
//!
//! `wire` and `connecting` test the adapter alone: its calls and retries, which responses it
//! accepts, and how it finds credentials.
//!
//! Without the feature `wire`, the clauses run only on the fake, and the SDK is not built.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod capacity;
mod changes;
#[cfg(feature = "wire")]
mod connecting;
mod instances;
mod listing;
mod provider;
mod recycling;
mod references;
mod retention;
mod sharing;
mod snapshots;
mod stale;
mod steps;
#[cfg(feature = "wire")]
mod wire;

use serde_json::Value;
use steward::cloud::{Cloud, EventBus, Instances};
use steward::model::{ImageId, ResourceId, SnapshotId, Tags};
use steward_tests::fake::Fake;
use steward_tests::fleet::Fleet;
use steward_tests::switches::Switches;
#[cfg(feature = "wire")]
use {steward_aws::Aws, steward_tests::standin::Standin, tokio::sync::MutexGuard};

/// All ports together.
trait AllPorts: Cloud + Instances + EventBus {}

impl<T: Cloud + Instances + EventBus> AllPorts for T {}

/// An account, and its ports.
trait Account {
    /// An account with this content and without faults.
    async fn with(fleet: Value) -> Self;

    /// The implementation under test.
    fn port(&self) -> &dyn AllPorts;

    async fn set(&self, switches: Switches);

    /// The content of the account, read without the port.
    async fn world(&self) -> Fleet;

    /// The published events: type and detail.
    async fn events(&self) -> Vec<(String, Value)>;
}

struct InMemory(Fake);

impl Account for InMemory {
    async fn with(fleet: Value) -> Self {
        Self(Fake::new(&serde_json::from_value(fleet).unwrap()))
    }

    fn port(&self) -> &dyn AllPorts {
        &self.0
    }

    async fn set(&self, switches: Switches) {
        self.0.set(switches);
    }

    async fn world(&self) -> Fleet {
        self.0.world()
    }

    async fn events(&self) -> Vec<(String, Value)> {
        let messages = self.0.messages().into_iter();
        messages
            .map(|one| (one.detail_type.into(), serde_json::from_str(&one.detail).unwrap()))
            .collect()
    }
}

#[cfg(feature = "wire")]
struct OverTheWire {
    standin: MutexGuard<'static, Standin>,
    aws: Aws,
}

#[cfg(feature = "wire")]
impl Account for OverTheWire {
    async fn with(fleet: Value) -> Self {
        let standin = Standin::shared().await;
        standin.set(&Switches::default()).await;
        standin.load(&serde_json::from_value(fleet).unwrap()).await;
        let aws = standin.aws().await;
        standin.forget_calls().await;
        Self { standin, aws }
    }

    fn port(&self) -> &dyn AllPorts {
        &self.aws
    }

    async fn set(&self, switches: Switches) {
        self.standin.set(&switches).await;
    }

    async fn world(&self) -> Fleet {
        self.standin.world().await
    }

    async fn events(&self) -> Vec<(String, Value)> {
        let entries = self.standin.events().await.into_iter();
        entries
            .map(|one| (one["DetailType"].as_str().unwrap().into(), one["Detail"].clone()))
            .collect()
    }
}

/// Expands each clause to two tests.
macro_rules! contract {
    ($($module:ident { $($clause:ident)+ })+) => {
        mod fake {
            $($(
                #[tokio::test]
                async fn $clause() {
                    crate::$module::$clause::<crate::InMemory>().await;
                }
            )+)+
        }
        #[cfg(feature = "wire")]
        mod adapter {
            $($(
                #[tokio::test]
                async fn $clause() {
                    crate::$module::$clause::<crate::OverTheWire>().await;
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
        images_are_found_together
        images_are_found_by_name
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
        a_parameter_that_may_not_be_read_is_named_with_its_template
        a_text_that_names_no_image_is_not_repeated
        more_templates_than_a_page_are_read
        a_denied_source_is_named_and_hides_no_other
        groups_are_unread_where_their_templates_are
        a_failing_page_fails_its_source
        an_image_that_cannot_be_read_is_unread_unless_its_template_is_ignored
    }
    capacity {
        fleets_hold_the_images_of_their_templates_and_their_own
        fleets_hold_nothing_once_they_are_over
        spot_requests_hold_their_images_while_they_may_launch_instances
        compute_environments_hold_their_images
        compute_environments_can_be_left_out
        a_denied_starter_is_named_and_hides_no_other
        starters_are_unread_where_their_templates_are
        a_parameter_that_leads_nowhere_fails_the_starter_that_names_it
        every_page_of_starters_is_read
    }
    stale {
        versions_that_nothing_names_are_stale
        a_version_of_another_template_is_another_version
        what_is_over_keeps_no_version_from_being_stale
        nothing_is_stale_where_a_starter_was_not_read
        launch_configurations_without_a_group_are_stale
        so_many_of_the_newest_versions_are_read
        more_than_two_versions_take_a_list_of_the_templates
    }
    provider {
        the_provider_knows_what_refers_to_an_image
        the_provider_looks_at_the_newest_versions
        more_images_than_a_call_takes_are_asked_about
        an_image_that_is_gone_hides_no_reference_to_another
        templates_and_configurations_name_snapshots_themselves
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
        removals_with_an_old_check_are_not_sent snapshots_are_deleted_unless_in_use
        a_snapshot_may_be_in_use_for_a_while_longer
        a_denied_change_names_the_permission
    }
    snapshots {
        locked_snapshots_are_listed_and_stay
        every_page_of_locked_snapshots_is_listed
        volume_permissions_are_found
        what_carries_a_tag_is_listed
        every_page_of_tags_is_listed
    }
    steps {
        an_image_is_deprecated_to_the_minute
        an_image_is_deprecated_from_now_on_at_the_soonest
        a_deprecation_too_far_ahead_is_refused
        disabling_takes_the_launch_permissions_for_good
        sharing_adds_to_those_that_may_launch_already
        sharing_that_makes_no_sense_shares_nothing
        a_disabled_image_cannot_be_shared
        what_is_gone_takes_no_steps
        another_accounts_image_takes_no_steps
        a_denied_step_names_the_permission
    }
    recycling {
        a_deregistered_image_goes_into_the_bin
        a_deleted_snapshot_goes_into_the_bin
        snapshots_that_go_with_their_image_go_into_the_bin
        the_launch_permissions_are_lost_in_the_bin
        an_image_comes_back_as_it_was
        an_image_comes_back_after_its_snapshots
        an_image_whose_snapshot_is_gone_stays_in_the_bin
        what_is_not_in_the_bin_is_not_found_there
        what_is_in_the_bin_keeps_its_tags_and_takes_new_ones
        every_page_of_the_bin_is_listed
        a_denied_recovery_names_the_permission
    }
    instances {
        instances_are_listed_by_tag
        an_instance_is_found_as_it_is_now
        what_protects_an_instance_is_found
        an_instance_is_stopped_and_terminated
        a_protected_instance_stays
        a_denied_end_names_the_permission
        the_bus_takes_messages
        the_bus_says_which_it_did_not_take
        a_denied_message_names_the_permission
    }
    retention {
        the_bin_takes_what_a_rule_covers
        the_rule_that_keeps_longest_counts
        retention_rules_are_listed
    }
}

fn image(id: &str) -> ImageId {
    id.parse().unwrap()
}

fn snapshot(id: &str) -> SnapshotId {
    id.parse().unwrap()
}

/// Images and snapshots by ID.
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

/// The images of the inventory by ID.
fn image_ids(world: &Fleet) -> Vec<&str> {
    world.images.iter().map(|image| image.image_id.as_str()).collect()
}

/// The snapshots of the inventory by ID.
fn snapshot_ids(world: &Fleet) -> Vec<&str> {
    world.snapshots.iter().map(|snapshot| snapshot.snapshot_id.as_str()).collect()
}
