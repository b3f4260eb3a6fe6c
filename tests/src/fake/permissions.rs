//! Launch and volume permissions.

use async_trait::async_trait;
use steward::cloud::{CloudError, PermissionReader, PermissionWriter};
use steward::model::{ImageId, LaunchPermission, SnapshotId, VolumePermission};

use super::faults::error;
use super::{Call, Fake, FakeAccount};

#[async_trait]
impl PermissionReader for Fake {
    async fn find_launch_permissions(
        &self,
        image: &ImageId,
    ) -> Result<Vec<LaunchPermission>, CloudError> {
        const ACTION: &str = "ec2:DescribeImageAttribute";
        let mut inner = self.begin(Call::FindLaunchPermissions(image.clone()));
        let FakeAccount { state, faults, .. } = &mut *inner;
        faults.check(ACTION, &[image.as_str()])?;
        let found = state.own_image(ACTION, image, faults)?;
        if found.state == "disabled" {
            return Ok(Vec::new());
        }
        let named = found.launch_permissions.iter().map(|text| text.as_str().into());
        Ok(permissions(found.public, named))
    }

    async fn find_volume_permissions(
        &self,
        snapshot: &SnapshotId,
    ) -> Result<Vec<VolumePermission>, CloudError> {
        const ACTION: &str = "ec2:DescribeSnapshotAttribute";
        let mut inner = self.begin(Call::FindVolumePermissions(snapshot.clone()));
        let FakeAccount { state, faults, .. } = &mut *inner;
        faults.check(ACTION, &[snapshot.as_str()])?;
        let found = state.own_snapshot(ACTION, snapshot)?;
        let accounts = found.create_volume_permissions.iter().cloned();
        Ok(permissions(found.public, accounts.map(VolumePermission::Account)))
    }
}

/// An account with which nothing can be shared.
pub const CLOSED_ACCOUNT: &str = "000000000000";

#[async_trait]
impl PermissionWriter for Fake {
    async fn share(&self, image: &ImageId, with: &[LaunchPermission]) -> Result<(), CloudError> {
        const ACTION: &str = "ec2:ModifyImageAttribute";
        self.changing(Call::Share(image.clone(), with.to_vec()), |inner| {
            let is_unknown = |one: &&LaunchPermission| match one {
                LaunchPermission::Unknown(_) => true,
                LaunchPermission::Account(account) => account.as_str() == CLOSED_ACCOUNT,
                _ => false,
            };
            if let Some(unknown) = with.iter().find(is_unknown) {
                let message = format!("`{unknown}` is no account, organization or unit");
                return Err(error::of(ACTION, "", &message));
            }
            if with.is_empty() {
                return Ok(());
            }
            inner.change_image(ACTION, image, |image| {
                if image.state == "disabled" {
                    // The code is not verified against AWS.
                    let message = format!("The image {} is disabled", image.image_id);
                    return Err(error::of(ACTION, "InvalidAMIID.Unavailable", &message));
                }
                for permission in with {
                    let text = permission.to_string();
                    if *permission == LaunchPermission::Everyone {
                        image.public = true;
                    } else if !image.launch_permissions.contains(&text) {
                        image.launch_permissions.push(text);
                    }
                }
                Ok(())
            })
        })
    }
}

/// All accounts and groups of a permission, sorted.
fn permissions(
    public: bool,
    named: impl Iterator<Item = LaunchPermission>,
) -> Vec<LaunchPermission> {
    let everyone = public.then_some(LaunchPermission::Everyone);
    let mut found: Vec<_> = everyone.into_iter().chain(named).collect();
    found.sort();
    found
}
