//! The IAM policy for a person. [`api_call`](super::api_call) lists the calls for each use. This
//! module adds the resources and the conditions.
//!
//! The policy contains no account ID: `${aws:PrincipalAccount}` is the caller's account.

use std::collections::{BTreeMap, BTreeSet};

use steward::model::{Region, TagNames};

use super::api_call::ApiCall;
use super::policy_document::{Conditions, PolicyDocument, Statement};

/// A use of the command that an IAM policy allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Use {
    /// All read-only commands: `plan`, `explain`, `report`, `simulate`, `inventory`, `init`.
    Plan,
    /// `apply`, which plans first.
    Apply,
    /// `restore`.
    Restore,
    /// `keep` and `unkeep`.
    Keep,
}

impl Use {
    /// Whether this use includes the calls of `other`.
    fn includes(self, other: Self) -> bool {
        self == other || (self, other) == (Self::Apply, Self::Plan)
    }
}

/// The options of an IAM policy.
#[derive(Debug, Clone)]
pub struct Permissions {
    /// The use that the policy allows.
    pub uses: Vec<Use>,
    /// The only allowed Region. `None` allows all Regions of the commercial partition.
    pub region: Option<Region>,
    /// The prefix of the state tags.
    pub prefix: String,
    /// Whether launch permissions may be restored. Needed for `shared_images = "retire"` in
    /// `[safety]` or in a rule.
    pub shared_images: bool,
    /// The parameters from which launch templates read their image ID, in addition to AWS's public
    /// parameters: names or ARNs, which may contain `*`.
    pub image_parameters: Vec<String>,
}

/// A statement of the policy: calls with the same resources and conditions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, strum::IntoStaticStr)]
pub(super) enum Grant {
    /// Describe and List calls, for which AWS supports only the resource `*`.
    Read,
    ReadAttributes,
    ReadParameters,
    ReadRecycleBinRules,
    WriteStateTags,
    /// Only the `keep` tag, with which people exclude images and snapshots.
    WriteKeepTag,
    /// Only on images that an earlier run found expired.
    Retire,
    /// Only snapshots whose deletion was announced, alone or together with their image.
    DeleteSnapshots,
    /// Restores launch permissions in a rescue. Only with [`Permissions::shared_images`].
    ShareAgain,
    /// Only images with a state tag that contains their former launch permissions.
    Enable,
    /// Launch permissions of such images. Only with [`Permissions::shared_images`].
    Share,
    /// Only images with a state tag that contains their former deprecation time.
    RestoreDeprecation,
    /// EC2 documents no condition key for resources in the Recycle Bin.
    Recover,
}

/// The calls that EC2 makes for DescribeImageReferences on behalf of the caller, as in the AWS managed
/// policy AmazonEC2ImageReferencesAccessPolicy: calls without and calls with a resource.
const FOR_REFERENCES: &[&str] = &[
    "imagebuilder:ListContainerRecipes",
    "imagebuilder:ListImageRecipes",
    "ssm:DescribeParameters",
];
const FOR_EACH_REFERENCE: &[&str] = &["imagebuilder:GetContainerRecipe", "ssm:GetParameters"];
const EC2_IMAGES: &str = "ec2-images.amazonaws.com";

impl Permissions {
    /// Builds the policy document.
    pub fn document(&self) -> PolicyDocument {
        let mut granted: BTreeMap<Grant, BTreeSet<&'static str>> = BTreeMap::new();
        for call in ApiCall::ALL {
            for (needed_by, grant) in call.needed_by() {
                let is_asked = self.uses.iter().any(|one| one.includes(*needed_by));
                if is_asked && (self.shared_images || !grant.shares()) {
                    granted.entry(*grant).or_default().insert(call.name());
                }
            }
        }
        let asks_for_references = granted
            .get(&Grant::Read)
            .is_some_and(|calls| calls.contains(ApiCall::DescribeImageReferences.name()));
        let mut statement: Vec<_> = granted
            .into_iter()
            .map(|(grant, actions)| Statement {
                sid: grant.into(),
                effect: "Allow",
                action: actions.into_iter().collect(),
                resource: self.resources(grant),
                condition: self.conditions(grant),
            })
            .collect();
        if asks_for_references {
            let parameters = self.arn("ssm", "*", "parameter/*");
            let recipes = self.arn("imagebuilder", "*", "container-recipe/*");
            statement.push(for_references("ListReferences", FOR_REFERENCES, vec!["*".to_owned()]));
            let resources = vec![recipes, parameters];
            statement.push(for_references("ReadReferences", FOR_EACH_REFERENCE, resources));
        }
        PolicyDocument { version: "2012-10-17", statement }
    }

    fn resources(&self, grant: Grant) -> Vec<String> {
        let images = self.arn("ec2", "", "image/*");
        let snapshots = self.arn("ec2", "", "snapshot/*");
        match grant {
            Grant::Read => vec!["*".to_owned()],
            Grant::ReadAttributes
            | Grant::WriteStateTags
            | Grant::WriteKeepTag
            | Grant::Recover => vec![images, snapshots],
            Grant::ReadParameters => {
                let public = self.arn("ssm", "", "parameter/aws/service/*");
                let own = self.image_parameters.iter().map(|one| self.parameter(one));
                std::iter::once(public).chain(own).collect()
            }
            Grant::ReadRecycleBinRules => vec![self.arn("rbin", "*", "rule/*")],
            Grant::DeleteSnapshots => vec![snapshots],
            Grant::Retire
            | Grant::ShareAgain
            | Grant::Enable
            | Grant::Share
            | Grant::RestoreDeprecation => vec![images],
        }
    }

    fn conditions(&self, grant: Grant) -> Conditions {
        let names = TagNames::under(&self.prefix);
        let own = ("StringEquals", "ec2:Owner".to_owned(), "${aws:PrincipalAccount}".to_owned());
        let has = |tag: &str| ("Null", format!("aws:ResourceTag/{tag}"), "false".to_owned());
        let all = match grant {
            // The ARNs of the other resources contain the Region.
            Grant::Read => self.region.iter().map(in_region).collect(),
            Grant::ReadParameters | Grant::ReadRecycleBinRules | Grant::Recover => vec![],
            Grant::ReadAttributes => vec![own],
            Grant::WriteStateTags | Grant::WriteKeepTag => {
                let keys = "aws:TagKeys".to_owned();
                let rest = if grant == Grant::WriteKeepTag { "keep" } else { "*" };
                let ours = format!("{}{rest}", literally(&self.prefix));
                // `ForAllValues` also matches a request without tag keys.
                let some = ("Null", keys.clone(), "false".to_owned());
                vec![own, ("ForAllValues:StringLike", keys, ours), some]
            }
            Grant::Retire | Grant::ShareAgain => vec![own, has(&names.expired_at)],
            Grant::DeleteSnapshots => vec![own, has(&names.delete_after)],
            Grant::Enable | Grant::Share => vec![own, has(&names.launch_permissions)],
            Grant::RestoreDeprecation => vec![own, has(&names.deprecation)],
        };
        let mut conditions = Conditions::new();
        for (operator, key, value) in all {
            conditions.entry(operator).or_default().insert(key, value);
        }
        conditions
    }

    fn arn(&self, service: &str, account: &str, resource: &str) -> String {
        let (partition, region) = match &self.region {
            Some(region) => (region.partition(), region.as_str()),
            None => ("aws", "*"),
        };
        format!("arn:{partition}:{service}:{region}:{account}:{resource}")
    }

    /// The ARN of a parameter, from its name or ARN.
    fn parameter(&self, name: &str) -> String {
        if name.starts_with("arn:") {
            return name.to_owned();
        }
        // A name that is a path starts with `/`, which the ARN already contains.
        self.arn("ssm", "*", &format!("parameter/{}", name.trim_start_matches('/')))
    }
}

impl Grant {
    fn shares(self) -> bool {
        matches!(self, Self::ShareAgain | Self::Share)
    }
}

fn in_region(region: &Region) -> (&'static str, String, String) {
    ("StringEquals", "aws:RequestedRegion".to_owned(), region.to_string())
}

fn for_references(sid: &'static str, actions: &[&'static str], resource: Vec<String>) -> Statement {
    let called = [("aws:CalledVia".to_owned(), EC2_IMAGES.to_owned())];
    Statement {
        sid,
        effect: "Allow",
        action: actions.to_vec(),
        resource,
        condition: [("ForAnyValue:StringEquals", called.into())].into(),
    }
}

/// Escapes `text` for an IAM pattern, so that the pattern matches only `text`.
fn literally(text: &str) -> String {
    let mut pattern = String::new();
    for character in text.chars() {
        match character {
            '*' | '?' | '$' => pattern.extend(['$', '{', character, '}']),
            _ => pattern.push(character),
        }
    }
    pattern
}

#[cfg(test)]
mod tests;
