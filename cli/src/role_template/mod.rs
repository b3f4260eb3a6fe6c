//! A role with a policy, as a CloudFormation template or a Terraform file.
//!
//! Parameters without a default specify who can assume the role.

mod cloudformation;
mod terraform;
mod trust;

use steward_aws::PolicyDocument;

pub use self::cloudformation::cloudformation;
pub use self::terraform::terraform;
pub use self::trust::Trust;

/// A role and its policy.
#[derive(Debug)]
pub struct Role<'a> {
    /// The uses in order, for example `apply` and `restore`.
    pub uses: Vec<String>,
    /// Who can assume the role.
    pub trust: Trust,
    /// The inline policy of the role.
    pub policy: &'a PolicyDocument,
}

impl Role<'_> {
    /// The name of the role, for example `image-steward-plan`.
    fn name(&self) -> String {
        format!("image-steward-{}", self.uses.join("-"))
    }

    /// The name as a Terraform identifier, for example `image_steward_plan`.
    fn identifier(&self) -> String {
        self.name().replace('-', "_")
    }

    /// The description of the role, using only characters that IAM allows.
    fn description(&self) -> String {
        let kind = if self.policy.is_read_only() { " (read-only)" } else { "" };
        format!(
            "Allows {} to run image-steward {}{kind}",
            self.trust.who(),
            self.uses.join(" and ")
        )
    }
}
