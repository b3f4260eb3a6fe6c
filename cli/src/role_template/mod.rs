//! A role with a policy, as a template of CloudFormation or a file of Terraform.
//!
//! Who may assume the role is left to parameters; without them nothing can be deployed.

mod cloudformation;
mod terraform;
mod trust;

use steward_aws::PolicyDocument;

pub use self::cloudformation::cloudformation;
pub use self::terraform::terraform;
pub use self::trust::Trust;

/// A role and what it may do.
#[derive(Debug)]
pub struct Role<'a> {
    /// What it is for: the uses, in order, such as `plan` or `apply` and `restore`.
    pub uses: Vec<String>,
    /// Who may assume it.
    pub trust: Trust,
    /// What it may do.
    pub policy: &'a PolicyDocument,
}

impl Role<'_> {
    /// The name of the role: `image-steward-plan`.
    fn name(&self) -> String {
        format!("image-steward-{}", self.uses.join("-"))
    }

    /// The same as an identifier: `image_steward_plan`.
    fn identifier(&self) -> String {
        self.name().replace('-', "_")
    }

    /// One sentence about it, in the characters that IAM allows.
    fn description(&self) -> String {
        let kind = if self.policy.is_read_only() { " (read only)" } else { "" };
        format!("Lets {} run image-steward {}{kind}", self.trust.who(), self.uses.join(" and "))
    }
}
