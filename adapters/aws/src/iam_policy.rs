//! The IAM policy for a person: which calls a use needs is in [`api_call`](super::api_call), and on
//! which resources and under which conditions is here.
//!
//! Nothing in it names an account: `${aws:PrincipalAccount}` is that of whoever calls.

use std::collections::{BTreeMap, BTreeSet};

use steward::model::{Region, TagNames};

use super::api_call::ApiCall;
use super::policy_document::{Conditions, PolicyDocument, Statement};

/// What somebody is to be allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Use {
    /// Everything that changes nothing: `plan`, `explain`, `report`, `simulate`, `inventory`, `init`.
    Plan,
    /// `apply`, which plans first.
    Apply,
    /// `restore`.
    Restore,
}

impl Use {
    /// Whether who is allowed this needs the calls of `other`.
    fn includes(self, other: Self) -> bool {
        self == other || (self, other) == (Self::Apply, Self::Plan)
    }
}

/// What a document is about.
#[derive(Debug, Clone)]
pub struct Permissions {
    /// What is to be allowed.
    pub uses: Vec<Use>,
    /// The only Region, or all of the commercial partition.
    pub region: Option<Region>,
    /// What the names of the state tags begin with.
    pub prefix: String,
    /// Whether launch permissions may be restored: `shared_images = "retire"`, under `[safety]` or in
    /// a rule.
    pub shared_images: bool,
    /// The parameters that launch templates name as their image, beside AWS's public ones: names or
    /// ARNs, also with `*`.
    pub image_parameters: Vec<String>,
}

/// A statement: calls that need the same resources and conditions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, strum::IntoStaticStr)]
pub(super) enum Grant {
    /// AWS knows no narrower resource for describing and listing.
    Read,
    ReadAttributes,
    ReadParameters,
    ReadRecycleBinRules,
    WriteStateTags,
    /// Only on images that were found expired before.
    Retire,
    /// Only snapshots that were announced before, alone or together with their image.
    DeleteSnapshots,
    /// Undoes a retire step in a run. Only with [`Permissions::shared_images`].
    ShareAgain,
    /// Only images whose former launch permissions a tag holds.
    Enable,
    /// The same. Only with [`Permissions::shared_images`].
    Share,
    /// Only images whose former deprecation a tag holds.
    RestoreDeprecation,
    /// EC2 documents no condition that holds for what is in the Recycle Bin.
    Recover,
}

/// The calls that EC2 makes for DescribeImageReferences in its caller's name, as AWS's policy
/// AmazonEC2ImageReferencesAccessPolicy has them: those without and those with a resource.
const FOR_REFERENCES: &[&str] = &[
    "imagebuilder:ListContainerRecipes",
    "imagebuilder:ListImageRecipes",
    "ssm:DescribeParameters",
];
const FOR_EACH_REFERENCE: &[&str] = &["imagebuilder:GetContainerRecipe", "ssm:GetParameters"];
const EC2_IMAGES: &str = "ec2-images.amazonaws.com";

impl Permissions {
    /// The policy document.
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
            Grant::ReadAttributes | Grant::WriteStateTags | Grant::Recover => {
                vec![images, snapshots]
            }
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
            // The other resources name the Region.
            Grant::Read => self.region.iter().map(in_region).collect(),
            Grant::ReadParameters | Grant::ReadRecycleBinRules | Grant::Recover => vec![],
            Grant::ReadAttributes => vec![own],
            Grant::WriteStateTags => {
                let keys = "aws:TagKeys".to_owned();
                let ours = format!("{}*", literally(&self.prefix));
                // Of no keys at all, all are ours.
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
        // A name that is a path begins with the `/` that the ARN has anyway.
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

/// The text in a pattern of IAM that matches `text` alone.
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
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn permissions(uses: &[Use]) -> Permissions {
        Permissions {
            uses: uses.to_vec(),
            region: None,
            prefix: "image-steward:".to_owned(),
            shared_images: false,
            image_parameters: vec![],
        }
    }

    fn statements(permissions: &Permissions) -> Vec<Value> {
        let Value::Array(statements) =
            serde_json::to_value(permissions.document()).unwrap()["Statement"].take()
        else {
            panic!("a list")
        };
        statements
    }

    fn actions(permissions: &Permissions) -> BTreeSet<String> {
        let lists = statements(permissions).into_iter().map(|mut one| one["Action"].take());
        lists.flat_map(|one| serde_json::from_value::<Vec<String>>(one).unwrap()).collect()
    }

    #[test]
    fn who_plans_changes_nothing() {
        let plan = actions(&permissions(&[Use::Plan]));
        assert!(plan.contains("ec2:DescribeImages"));
        for action in &plan {
            let (_, call) = action.split_once(':').unwrap();
            assert!(
                ["Describe", "Get", "List"].iter().any(|one| call.starts_with(one)),
                "{action}"
            );
        }
        assert!(plan.is_subset(&actions(&permissions(&[Use::Apply]))));
    }

    #[test]
    fn launch_permissions_may_be_changed_only_if_that_is_asked_for() {
        for uses in [&[Use::Apply][..], &[Use::Restore], &[Use::Apply, Use::Restore]] {
            let mut asked = permissions(uses);
            let without = actions(&asked);
            asked.shared_images = true;
            let mut with = actions(&asked);
            assert!(with.remove("ec2:ModifyImageAttribute"), "{uses:?}");
            assert_eq!(with, without);
        }
    }

    #[test]
    fn what_changes_anything_is_narrowed_to_what_the_tags_announce() {
        let mut asked = permissions(&[Use::Apply, Use::Restore]);
        asked.shared_images = true;
        asked.region = Some("cn-north-1".parse().unwrap());
        asked.prefix = "fl?et:".to_owned();
        let image = "arn:aws-cn:ec2:cn-north-1::image/*";
        let snapshot = "arn:aws-cn:ec2:cn-north-1::snapshot/*";
        let own = || json!({"ec2:Owner": "${aws:PrincipalAccount}"});
        let tagged = |tag: &str| {
            let key = format!("aws:ResourceTag/fl?et:{tag}");
            json!({"StringEquals": own(), "Null": {key: "false"}})
        };
        let mut expected = vec![
            (
                "WriteStateTags",
                json!([image, snapshot]),
                json!({
                    "StringEquals": own(),
                    "ForAllValues:StringLike": {"aws:TagKeys": "fl${?}et:*"},
                    "Null": {"aws:TagKeys": "false"},
                }),
            ),
            ("Retire", json!([image]), tagged("expired-at")),
            ("DeleteSnapshots", json!([snapshot]), tagged("delete-after")),
            ("ShareAgain", json!([image]), tagged("expired-at")),
            ("Enable", json!([image]), tagged("launch-permissions")),
            ("Share", json!([image]), tagged("launch-permissions")),
            ("RestoreDeprecation", json!([image]), tagged("deprecation")),
            ("Recover", json!([image, snapshot]), json!(null)),
        ];
        let reads = ["Describe", "Get", "List"];
        for statement in statements(&asked) {
            let changes = |action: &Value| {
                let action = action.as_str().unwrap().split(':').next_back().unwrap();
                !reads.iter().any(|one| action.starts_with(one))
            };
            if statement["Action"].as_array().unwrap().iter().any(changes) {
                let (sid, resources, conditions) = expected.remove(0);
                assert_eq!(statement["Sid"], sid);
                assert_eq!(statement["Resource"], resources, "{sid}");
                assert_eq!(statement["Condition"], conditions, "{sid}");
            }
        }
        assert!(expected.is_empty(), "{expected:?}");
    }

    #[test]
    fn a_region_is_the_only_one() {
        let mut asked = permissions(&[Use::Plan]);
        let read = |asked: &Permissions| statements(asked).remove(0);
        assert_eq!(read(&asked)["Condition"], json!(null));
        asked.region = Some("eu-central-1".parse().unwrap());
        let conditions = json!({"StringEquals": {"aws:RequestedRegion": "eu-central-1"}});
        assert_eq!(read(&asked)["Condition"], conditions);
        for statement in statements(&asked) {
            for resource in statement["Resource"].as_array().unwrap() {
                let resource = resource.as_str().unwrap();
                assert!(resource == "*" || resource.contains(":eu-central-1:"), "{resource}");
            }
        }
    }

    #[test]
    fn only_the_parameters_that_were_named_can_be_read() {
        let mut asked = permissions(&[Use::Plan]);
        let other = "arn:aws:ssm:eu-west-1:123456789012:parameter/golden";
        asked.image_parameters = ["/golden/*", "flat", other].map(str::to_owned).to_vec();
        let found = statements(&asked);
        let found = found.iter().find(|one| one["Sid"] == "ReadParameters").unwrap();
        assert_eq!(found["Action"], json!(["ssm:GetParameter"]));
        let public = "arn:aws:ssm:*::parameter/aws/service/*";
        let (path, flat) = ("arn:aws:ssm:*:*:parameter/golden/*", "arn:aws:ssm:*:*:parameter/flat");
        assert_eq!(found["Resource"], json!([public, path, flat, other]));
    }

    /// A managed policy holds 6,144 characters, not counting white space.
    #[test]
    fn everything_together_fits_into_a_managed_policy() {
        let mut asked = permissions(&[Use::Plan, Use::Apply, Use::Restore]);
        asked.shared_images = true;
        asked.prefix = "p".repeat(100);
        asked.region = Some("ap-southeast-1".parse().unwrap());
        let text = serde_json::to_string(&asked.document()).unwrap();
        assert!(text.len() < 6144, "{}", text.len());
    }
}
