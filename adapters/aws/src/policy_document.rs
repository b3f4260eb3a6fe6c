//! IAM policy documents.

use std::collections::BTreeMap;

use serde::Serialize;

/// The IAM quota for the size of a managed policy, in characters without white space.
pub const MAX_MANAGED_POLICY: usize = 6_144;

/// The IAM quota for the total size of a role's inline policies, in characters without white space.
pub const MAX_INLINE_POLICY: usize = 10_240;

/// An IAM policy document.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct PolicyDocument {
    /// The version of the policy language, `2012-10-17`.
    pub version: &'static str,
    /// The statements, each with a unique `sid`.
    pub statement: Vec<Statement>,
}

/// A statement: actions with the same resources and conditions.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Statement {
    /// The statement ID: letters and digits.
    pub sid: &'static str,
    /// Always `Allow`.
    pub effect: &'static str,
    /// Sorted actions, for example `ec2:DescribeImages`.
    pub action: Vec<&'static str>,
    /// ARNs, which may contain `*`.
    pub resource: Vec<String>,
    /// Conditions, all of which must be met.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub condition: Conditions,
}

/// Condition values by operator and condition key.
pub type Conditions = BTreeMap<&'static str, BTreeMap<String, String>>;

impl PolicyDocument {
    /// The size as IAM counts it, in characters without white space.
    ///
    /// # Errors
    /// If serialization fails, which does not happen in practice because all keys are strings.
    pub fn size(&self) -> Result<usize, serde_json::Error> {
        let text = serde_json::to_string(self)?;
        Ok(text.chars().filter(|one| !one.is_whitespace()).count())
    }

    /// Whether all actions are read-only.
    pub fn is_read_only(&self) -> bool {
        let mut actions = self.statement.iter().flat_map(|one| &one.action);
        actions.all(|action| {
            let (_, call) = action.split_once(':').unwrap_or_default();
            ["Describe", "Get", "List"].iter().any(|verb| call.starts_with(verb))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(action: &'static str, resource: &str) -> PolicyDocument {
        let statement = Statement {
            sid: "Read",
            effect: "Allow",
            action: vec!["ec2:DescribeImages", action],
            resource: vec![resource.to_owned()],
            condition: Conditions::new(),
        };
        PolicyDocument { version: "2012-10-17", statement: vec![statement] }
    }

    #[test]
    fn one_action_that_changes_something_is_enough() {
        for action in ["rbin:GetRule", "ssm:ListTagsForResource"] {
            assert!(document(action, "*").is_read_only(), "{action}");
        }
        for action in ["ec2:DeregisterImage", "ec2:Deletelist", "*", "ec2:*"] {
            assert!(!document(action, "*").is_read_only(), "{action}");
        }
    }

    #[test]
    fn white_space_does_not_count() {
        let size = |resource| document("rbin:GetRule", resource).size().unwrap();
        assert_eq!(size("a b\u{a0}c"), size("abc"));
        assert_eq!(size("äbc"), size("abc"));
    }
}
