//! A policy document of IAM.

use std::collections::BTreeMap;

use serde::Serialize;

/// The maximum size of a managed policy, in characters without white space (quota of IAM).
pub const MAX_MANAGED_POLICY: usize = 6_144;

/// The maximum size of all inline policies of a role together, counted in the same way.
pub const MAX_INLINE_POLICY: usize = 10_240;

/// A policy document of IAM.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct PolicyDocument {
    /// The version of the policy language.
    pub version: &'static str,
    /// The permissions, each with a different `sid`.
    pub statement: Vec<Statement>,
}

/// Actions with the same resources and conditions.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Statement {
    /// The statement id: letters and digits.
    pub sid: &'static str,
    /// `Allow`.
    pub effect: &'static str,
    /// Actions such as `ec2:DescribeImages`, in order.
    pub action: Vec<&'static str>,
    /// ARNs, also with `*`.
    pub resource: Vec<String>,
    /// What must hold, all of it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub condition: Conditions,
}

/// Values by operator and key.
pub type Conditions = BTreeMap<&'static str, BTreeMap<String, String>>;

impl PolicyDocument {
    /// The size as IAM counts it: characters without white space.
    ///
    /// # Errors
    /// None in practice: all keys are texts.
    pub fn size(&self) -> Result<usize, serde_json::Error> {
        let text = serde_json::to_string(self)?;
        Ok(text.chars().filter(|one| !one.is_whitespace()).count())
    }

    /// Whether none of the actions changes anything.
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
