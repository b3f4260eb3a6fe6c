//! With whom images and snapshots are shared.

use std::sync::Arc;

use aws_sdk_ec2::types::{CreateVolumePermission, ImageAttributeName, LaunchPermission, LaunchPermissionModifications, PermissionGroup, SnapshotAttributeName};
use steward::cloud::CloudError;
use steward::model::{AccountId, ImageId, SnapshotId};

use super::Aws;
use super::error::bad_request;
use super::rate_limit::ApiCall;

impl Aws {
    pub(super) async fn launch_permissions(
        &self,
        image: &ImageId,
    ) -> Result<Vec<Arc<str>>, CloudError> {
        let request = self
            .ec2
            .describe_image_attribute()
            .image_id(image.as_str())
            .attribute(ImageAttributeName::LaunchPermission);
        let answer = self.send(ApiCall::DescribeImageAttribute, request.send()).await?;
        Ok(in_order(answer.launch_permissions().iter().flat_map(launchers)))
    }

    pub(super) async fn volume_permissions(
        &self,
        snapshot: &SnapshotId,
    ) -> Result<Vec<Arc<str>>, CloudError> {
        let request = self
            .ec2
            .describe_snapshot_attribute()
            .snapshot_id(snapshot.as_str())
            .attribute(SnapshotAttributeName::CreateVolumePermission);
        let answer = self.send(ApiCall::DescribeSnapshotAttribute, request.send()).await?;
        Ok(in_order(answer.create_volume_permissions().iter().flat_map(volume_makers)))
    }

    pub(super) async fn share_image(
        &self,
        image: &ImageId,
        with: &[Arc<str>],
    ) -> Result<(), CloudError> {
        if with.is_empty() {
            return Ok(());
        }
        let added = with.iter().map(|word| permission_of(word)).collect::<Result<_, _>>()?;
        let changes = LaunchPermissionModifications::builder().set_add(Some(added)).build();
        let request =
            self.ec2.modify_image_attribute().image_id(image.as_str()).launch_permission(changes);
        self.send(ApiCall::ModifyImageAttribute, request.send()).await.map(|_| ())
    }
}

/// Whom a launch permission names.
fn launchers(permission: &LaunchPermission) -> impl Iterator<Item = &str> {
    [
        permission.user_id(),
        permission.group().map(PermissionGroup::as_str),
        permission.organization_arn(),
        permission.organizational_unit_arn(),
    ]
    .into_iter()
    .flatten()
}

/// Whom a permission to make volumes names.
fn volume_makers(permission: &CreateVolumePermission) -> impl Iterator<Item = &str> {
    [permission.user_id(), permission.group().map(PermissionGroup::as_str)].into_iter().flatten()
}

fn in_order<'a>(names: impl Iterator<Item = &'a str>) -> Vec<Arc<str>> {
    let mut found: Vec<Arc<str>> = names.map(Arc::from).collect();
    found.sort();
    found
}

/// The permission that [`launchers`] would tell `word` of.
fn permission_of(word: &str) -> Result<LaunchPermission, CloudError> {
    let permission = LaunchPermission::builder();
    let is_arn = word.starts_with("arn:");
    Ok(if word.parse::<AccountId>().is_ok() {
        permission.user_id(word)
    } else if word == PermissionGroup::All.as_str() {
        permission.group(PermissionGroup::All)
    } else if is_arn && word.contains(":organization/") {
        permission.organization_arn(word)
    } else if is_arn && word.contains(":ou/") {
        permission.organizational_unit_arn(word)
    } else {
        let message = format!(
            "`{word}` is nobody to share an image with: expected 12 digits, `all`, or the ARN of \
             an organization or of a unit in one"
        );
        return Err(bad_request(ApiCall::ModifyImageAttribute, message));
    }
    .build())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORGANIZATION: &str = "arn:aws:organizations::123456789012:organization/o-abc123";
    const UNIT: &str = "arn:aws:organizations::123456789012:ou/o-abc123/ou-abc1-def2";

    #[test]
    fn words_become_permissions_and_permissions_words() {
        for word in ["123456789012", "all", ORGANIZATION, UNIT] {
            let permission = permission_of(word).unwrap();
            assert_eq!(launchers(&permission).collect::<Vec<_>>(), [word]);
        }
        assert_eq!(permission_of("123456789012").unwrap().user_id(), Some("123456789012"));
        assert_eq!(permission_of("all").unwrap().group(), Some(&PermissionGroup::All));
        assert_eq!(permission_of(ORGANIZATION).unwrap().organization_arn(), Some(ORGANIZATION));
        assert_eq!(permission_of(UNIT).unwrap().organizational_unit_arn(), Some(UNIT));
    }

    #[test]
    fn a_word_of_another_form_is_an_error() {
        for word in ["", "1234", "everybody", "arn:aws:iam::123456789012:root", ":ou/o-abc123"] {
            let error = permission_of(word).unwrap_err().to_string();
            assert!(error.starts_with("ec2:ModifyImageAttribute: `"), "{error}");
        }
    }
}
