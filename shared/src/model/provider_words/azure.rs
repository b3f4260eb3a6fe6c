//! The words of Azure.
//!
//! The steps keep the names that the policy gives them (`deprecate_after`, `disable_after`), except
//! for the last one: nothing is registered on Azure.

use super::{ProviderWords, StageWords, Verb};
use crate::model::ImageId;
use crate::text_fmt::shell_word;

pub(super) const WORDS: ProviderWords = ProviderWords {
    service: "Azure",
    account: "subscription",
    place: "subscription",
    check_place: "subscription",
    check_id: " and the subscription",
    owned: "of the subscription",
    permissions: "sharing settings",
    snapshot_permissions: "access settings",
    protection: "deletion protection",
    deprecation_time: "end-of-life date",
    deprecated: "past end of life",
    disabled: "excluded from latest",
    deprecate_means: Some("set the end-of-life date"),
    disable_means: Some("exclude from latest"),
    removal: Verb {
        noun: "deletion",
        base: "delete",
        third: "deletes",
        done: "deleted",
        doing: "deleting",
    },
    bin: "soft delete",
    in_bin: "soft-deleted",
    even_from_bin: "if it is soft-deleted",
    from_bin: "from soft delete",
    no_bin_rule: "no soft delete",
    no_bin_rule_here: "no soft delete",
    use_bin: "turn on soft delete in the gallery",
    not_accepted: "soft delete does not accept it",
    unsupported_recovery: "it could not be recovered after deletion (only versions in a gallery with soft delete \
                           can)",
    bin_unread: "the soft-deleted images were not read",
    gone: "neither in the subscription nor soft-deleted",
    gone_as_far_as_read: "in the subscription or, as far as they could be read, among its soft-deleted images",
    create_image: "az image create",
    share_image: "az sig share add",
    enable_image: |image| {
        format!(
            "az sig image-version update --ids {} --set publishingProfile.excludeFromLatest=false",
            shell_word(image.as_str())
        )
    },
    remove_tag: |image, key, value| {
        let tag = shell_word(&format!("{key}={value}"));
        let id = shell_word(image.as_str());
        format!("az tag update --operation Delete --resource-id {id} --tags {tag}")
    },
    restore_image: |image| {
        let id = shell_word(image.as_str());
        format!("image-steward restore {id} --subscription {}", subscription(image))
    },
    stages: StageWords {
        listing: "reading the subscription",
        references: "reading references from Azure",
        references_and_permissions: "reading references and sharing settings from Azure",
        permissions: "reading sharing settings",
        retiring: "disabling and deleting images",
    },
    reported_references: "references from other subscriptions and services",
    not_in_inventory: "not in the inventory: references that only Resource Graph reports, for example from other \
                       subscriptions",
    no_launch: "Azure does not report launches",
    not_attributed: "no tag shows that an image was created from it",
    instance: "virtual machine",
    size_part: "disk",
    sizes: "disk sizes",
    has_snapshots: false,
    has_names_as_ids: true,
    stale_users: "a virtual machine, a scale set or another resource",
    no_stale_user: "No scale set",
    has_launch_templates: false,
};

fn subscription(image: &ImageId) -> &str {
    image.account_in_id().unwrap_or("SUBSCRIPTION")
}
