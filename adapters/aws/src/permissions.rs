//! Reading and changing launch permissions, and reading volume permissions of snapshots.

use async_trait::async_trait;
use aws_sdk_ec2::types::{
    CreateVolumePermission, ImageAttributeName, LaunchPermission as Ec2LaunchPermission,
    LaunchPermissionModifications, PermissionGroup, SnapshotAttributeName,
};
use steward::cloud::{CloudError, PermissionReader, PermissionWriter};
use steward::model::{ImageId, LaunchPermission, SnapshotId, VolumePermission};

use super::Aws;
use super::api_call::ApiCall;
use super::error::bad_request;

#[async_trait]
impl PermissionReader for Aws {
    async fn find_launch_permissions(
        &self,
        image: &ImageId,
    ) -> Result<Vec<LaunchPermission>, CloudError> {
        let request = self
            .clients
            .ec2
            .describe_image_attribute()
            .image_id(image.as_str())
            .attribute(ImageAttributeName::LaunchPermission);
        let answer = self.send(ApiCall::DescribeImageAttribute, request.send()).await?;
        let found = self.listed(ApiCall::DescribeImageAttribute, answer.launch_permissions)?;
        Ok(in_order(found.iter().flat_map(launchers)))
    }

    async fn find_volume_permissions(
        &self,
        snapshot: &SnapshotId,
    ) -> Result<Vec<VolumePermission>, CloudError> {
        let request = self
            .clients
            .ec2
            .describe_snapshot_attribute()
            .snapshot_id(snapshot.as_str())
            .attribute(SnapshotAttributeName::CreateVolumePermission);
        let answer = self.send(ApiCall::DescribeSnapshotAttribute, request.send()).await?;
        let found =
            self.listed(ApiCall::DescribeSnapshotAttribute, answer.create_volume_permissions)?;
        Ok(in_order(found.iter().flat_map(volume_creators)))
    }
}

#[async_trait]
impl PermissionWriter for Aws {
    async fn share(&self, image: &ImageId, with: &[LaunchPermission]) -> Result<(), CloudError> {
        if with.is_empty() {
            return Ok(());
        }
        let added = with.iter().map(ec2_permission).collect::<Result<_, _>>()?;
        let changes = LaunchPermissionModifications::builder().set_add(Some(added)).build();
        let request = self
            .clients
            .ec2
            .modify_image_attribute()
            .image_id(image.as_str())
            .launch_permission(changes);
        self.send(ApiCall::ModifyImageAttribute, request.send()).await.map(|_| ())
    }
}

/// The account, `all`, organization or organizational unit in a launch permission.
fn launchers(permission: &Ec2LaunchPermission) -> Vec<&str> {
    somebody([
        permission.user_id(),
        permission.group().map(PermissionGroup::as_str),
        permission.organization_arn(),
        permission.organizational_unit_arn(),
    ])
}

/// The account or `all` in a volume permission.
fn volume_creators(permission: &CreateVolumePermission) -> Vec<&str> {
    somebody([permission.user_id(), permission.group().map(PermissionGroup::as_str)])
}

/// The known names. A permission without a known name still counts as shared, with "somebody
/// unknown".
fn somebody<'a>(names: impl IntoIterator<Item = Option<&'a str>>) -> Vec<&'a str> {
    let known: Vec<&str> = names.into_iter().flatten().filter(|name| !name.is_empty()).collect();
    if known.is_empty() { vec!["somebody unknown"] } else { known }
}

fn in_order<'a>(names: impl Iterator<Item = &'a str>) -> Vec<LaunchPermission> {
    let mut found: Vec<LaunchPermission> = names.map(LaunchPermission::from).collect();
    found.sort();
    found
}

/// Converts the permission to the SDK's type.
fn ec2_permission(permission: &LaunchPermission) -> Result<Ec2LaunchPermission, CloudError> {
    let builder = Ec2LaunchPermission::builder();
    Ok(match permission {
        LaunchPermission::Account(account) => builder.user_id(account.as_str()),
        LaunchPermission::Everyone => builder.group(PermissionGroup::All),
        LaunchPermission::Organization(arn) => builder.organization_arn(&**arn),
        LaunchPermission::OrganizationalUnit(arn) => builder.organizational_unit_arn(&**arn),
        LaunchPermission::Unknown(text) => {
            let message = format!(
                "an image cannot be shared with `{text}`: expected 12 digits, `all`, or the ARN of \
                 an organization or of an organizational unit"
            );
            return Err(bad_request(ApiCall::ModifyImageAttribute, message));
        }
    }
    .build())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORGANIZATION: &str = "arn:aws:organizations::123456789012:organization/o-abc123";
    const UNIT: &str = "arn:aws:organizations::123456789012:ou/o-abc123/ou-abc1-def2";

    fn shared_with(text: &str) -> Result<Ec2LaunchPermission, CloudError> {
        ec2_permission(&LaunchPermission::from(text))
    }

    #[test]
    fn permissions_become_those_of_ec2_and_back() {
        for text in ["123456789012", "all", ORGANIZATION, UNIT] {
            let permission = shared_with(text).unwrap();
            assert_eq!(launchers(&permission), [text]);
        }
        assert_eq!(shared_with("123456789012").unwrap().user_id(), Some("123456789012"));
        assert_eq!(shared_with("all").unwrap().group(), Some(&PermissionGroup::All));
        assert_eq!(shared_with(ORGANIZATION).unwrap().organization_arn(), Some(ORGANIZATION));
        assert_eq!(shared_with(UNIT).unwrap().organizational_unit_arn(), Some(UNIT));
    }

    #[test]
    fn nothing_is_shared_with_what_is_not_known() {
        for text in ["", "1234", "everybody", "arn:aws:iam::123456789012:root", ":ou/o-abc123"] {
            let error = shared_with(text).unwrap_err().to_string();
            assert!(error.starts_with("ec2:ModifyImageAttribute: an image cannot"), "{error}");
        }
    }

    #[test]
    fn a_permission_of_an_unknown_kind_is_one_for_somebody() {
        let unknown = [LaunchPermission::Unknown("somebody unknown".into())];
        let launch = Ec2LaunchPermission::builder().build();
        assert_eq!(in_order([&launch].into_iter().flat_map(launchers)), unknown);
        let volume = CreateVolumePermission::builder().build();
        assert_eq!(in_order([&volume].into_iter().flat_map(volume_creators)), unknown);
    }
}
