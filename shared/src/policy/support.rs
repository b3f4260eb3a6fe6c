//! The keys of a policy that a provider does not support.
//!
//! A policy is written before it is known to which account it applies. Therefore these keys are not
//! errors of the document. A run that would remove images that such a key was meant to protect is
//! refused; the other keys have no effect, and are reported.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Match, Policy};
use crate::model::{ComputeEnvironments, Provider, Tags};

/// A key of a policy that a provider does not support.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnsupportedKey {
    /// The path of the key, for example `rule[0].keep.launched_within`.
    pub path: String,
    /// Why the key is not supported.
    pub why: WhyUnsupported,
}

/// Why a provider does not support a key of a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhyUnsupported {
    /// Azure does not report launches, so the key keeps no image.
    NoLaunches,
    /// Images on Azure have no owner alias, so the rule matches no image.
    NoOwnerAlias,
    /// AMIs have no OS state, so the rule matches no image.
    NoOsState,
    /// AWS has no subscriptions to search for references.
    NoSubscriptions,
    /// Pools of Azure Batch are not read.
    NoBatchPools,
    /// Azure does not allow a character of the tag name.
    TagCharacter,
    /// Azure reserves the beginning of the tag name.
    TagReserved,
    /// On Azure, the tag name is one of image-steward's own, which it differs from by case only.
    TagOfSteward,
    /// Azure has no launch templates.
    NoLaunchTemplates,
    /// Only AWS Batch has compute environments.
    NoComputeEnvironments,
    /// The key lists calls of AWS.
    NoSuchCalls,
    /// No step removes launch permissions on Azure, so none are restored.
    NeverUnshared,
}

/// The policy has keys that the provider does not support, and that were meant to protect images or
/// to name tags.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct UnsupportedPolicy {
    /// The keys, in the order of the policy; at least one.
    pub keys: Vec<UnsupportedKey>,
}

impl fmt::Display for UnsupportedPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_keys(&self.keys, f)
    }
}

/// Writes the keys, separated by semicolons.
pub(crate) fn write_keys(keys: &[UnsupportedKey], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for (index, key) in keys.iter().enumerate() {
        write!(f, "{}{key}", if index > 0 { "; " } else { "" })?;
    }
    Ok(())
}

impl fmt::Display for UnsupportedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, why } = self;
        write!(f, "{path}: {why}")
    }
}

impl fmt::Display for WhyUnsupported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoLaunches => {
                "Azure does not report when images were launched, so this would keep nothing; remove it, and keep \
                 these images by other keys"
            }
            Self::NoOwnerAlias => {
                "images on Azure have no owner alias, so this rule would match nothing; remove the condition"
            }
            Self::NoOsState => {
                "AMIs have no OS state, so this rule would match nothing; remove the condition"
            }
            Self::NoSubscriptions => "AWS has no subscriptions; remove it",
            Self::NoBatchPools => {
                "pools of Azure Batch are not read; remove it, and list their images in safety.pinned"
            }
            Self::TagCharacter => {
                "tag names on Azure cannot contain any of `< > % & \\ ? /`; rename the tag"
            }
            Self::TagReserved => {
                "tag names on Azure cannot begin with `microsoft`, `azure` or `windows`; rename the tag"
            }
            Self::TagOfSteward => {
                "tag names on Azure do not differ by case, and this one is reserved for image-steward; rename the tag"
            }
            Self::NoLaunchTemplates => "no effect: Azure has no launch templates",
            Self::NoComputeEnvironments => "no effect: only AWS Batch has compute environments",
            Self::NoSuchCalls => "no effect: it lists API calls of AWS",
            Self::NeverUnshared => {
                "no effect: on Azure, images stay shared until they are deleted"
            }
        })
    }
}

/// The characters that a tag name on Azure cannot contain.
const FORBIDDEN: [char; 7] = ['<', '>', '%', '&', '\\', '?', '/'];
/// The beginnings of tag names that Azure reserves, in lower case.
const RESERVED: [&str; 3] = ["microsoft", "azure", "windows"];

impl Policy {
    /// Checks that `provider` supports all keys that were meant to protect images, and all tag
    /// names.
    ///
    /// # Errors
    /// [`UnsupportedPolicy`] with all keys that it does not support.
    pub fn check_for(&self, provider: Provider) -> Result<(), UnsupportedPolicy> {
        let mut keys = Vec::new();
        let mut add = |path: String, why| keys.push(UnsupportedKey { path, why });
        for (index, rule) in self.rules.iter().enumerate() {
            conditions(&rule.matches, &format!("rule[{index}].match"), provider, &mut add);
            if provider == Provider::Azure && rule.keep.launched_within.is_some() {
                add(format!("rule[{index}].keep.launched_within"), WhyUnsupported::NoLaunches);
            }
        }
        let safety = &self.safety;
        match provider {
            Provider::Aws => {
                if !safety.subscriptions.is_empty() {
                    add("safety.subscriptions".to_owned(), WhyUnsupported::NoSubscriptions);
                }
            }
            Provider::Azure => {
                let reads_batch = safety.compute_environments == ComputeEnvironments::Read;
                if safety.sets_compute_environments && reads_batch {
                    add("safety.compute_environments".to_owned(), WhyUnsupported::NoBatchPools);
                }
                self.check_tag_names(&mut add);
            }
        }
        if keys.is_empty() { Ok(()) } else { Err(UnsupportedPolicy { keys }) }
    }

    /// The keys that `provider` does not support, but that protect nothing.
    pub fn keys_without_effect(&self, provider: Provider) -> Vec<UnsupportedKey> {
        if provider == Provider::Aws {
            return Vec::new();
        }
        let safety = &self.safety;
        let skips_batch = safety.compute_environments == ComputeEnvironments::LeaveOut;
        let set = [
            ("template_versions", safety.sets_template_versions, WhyUnsupported::NoLaunchTemplates),
            (
                "compute_environments",
                safety.sets_compute_environments && skips_batch,
                WhyUnsupported::NoComputeEnvironments,
            ),
            ("share_back", !safety.share_back.is_empty(), WhyUnsupported::NeverUnshared),
            (
                "ignore_templates",
                !safety.ignore_templates.is_empty(),
                WhyUnsupported::NoLaunchTemplates,
            ),
            ("absent_is_empty", !safety.absent_is_empty.is_empty(), WhyUnsupported::NoSuchCalls),
        ];
        let set = set.into_iter().filter(|(_, is_set, _)| *is_set);
        set.map(|(key, _, why)| UnsupportedKey { path: format!("safety.{key}"), why }).collect()
    }

    /// Adds the names of tags that cannot be written on Azure.
    fn check_tag_names(&self, add: &mut impl FnMut(String, WhyUnsupported)) {
        let mut azure = Tags::default();
        azure.ignore_case();
        let prefix = self.tag_names.prefix();
        let is_of_steward = |name: &str| azure.begins_with(name, prefix);
        let refused = |name: &str| {
            let is_reserved = RESERVED.iter().any(|reserved| azure.begins_with(name, reserved));
            match name.contains(FORBIDDEN) {
                true => Some(WhyUnsupported::TagCharacter),
                false => is_reserved.then_some(WhyUnsupported::TagReserved),
            }
        };
        for (name, _) in self.tagging.set.iter() {
            let of_steward = is_of_steward(name).then_some(WhyUnsupported::TagOfSteward);
            if let Some(why) = refused(name).or(of_steward) {
                add(format!("tagging.set.{name}"), why);
            }
        }
        for (index, name) in self.tagging.copy_from_instance.iter().enumerate() {
            // No virtual machine has a tag with a name that Azure refuses.
            if is_of_steward(name) {
                let path = format!("tagging.copy_from_instance[{index}]");
                add(path, WhyUnsupported::TagOfSteward);
            }
        }
        if let Some(why) = refused(prefix) {
            add("tagging.prefix".to_owned(), why);
        }
    }
}

/// Adds the conditions in `matches` that `provider` does not support, and those of its exceptions.
fn conditions(
    matches: &Match,
    path: &str,
    provider: Provider,
    add: &mut impl FnMut(String, WhyUnsupported),
) {
    let unsupported = match provider {
        Provider::Aws => ("os_state", matches.os_state.is_some(), WhyUnsupported::NoOsState),
        Provider::Azure => {
            ("owner_alias", matches.owner_alias.is_some(), WhyUnsupported::NoOwnerAlias)
        }
    };
    if let (key, true, why) = unsupported {
        add(format!("{path}.{key}"), why);
    }
    if let Some(not) = &matches.not {
        conditions(not, &format!("{path}.not"), provider, add);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: &str = "[[rule]]\nname = \"a\"\nkeep = { last = 1 }\n";

    /// The errors and the keys without effect of a policy, as text.
    fn of(policy: &str, provider: Provider) -> (Vec<String>, Vec<String>) {
        let policy = Policy::parse(&format!("version = 1\n{policy}"), "p").unwrap();
        let errors = policy.check_for(provider).err().map(|error| error.keys).unwrap_or_default();
        let text = |keys: Vec<UnsupportedKey>| {
            keys.iter().map(|key| format!("{} {:?}", key.path, key.why)).collect()
        };
        (text(errors), text(policy.keys_without_effect(provider)))
    }

    fn errors(policy: &str, provider: Provider) -> Vec<String> {
        let (errors, idle) = of(policy, provider);
        assert_eq!(idle, [""; 0], "{policy}");
        errors
    }

    #[test]
    fn keys_that_protect_are_errors_where_they_have_no_meaning() {
        for (policy, provider, expected) in [
            (
                "[[rule]]\nname = \"a\"\nkeep = { last = 1 }\n[[rule]]\nname = \"b\"\nkeep = { launched_within = \"90d\" }\n",
                Provider::Azure,
                &["rule[1].keep.launched_within NoLaunches"][..],
            ),
            (
                "[[rule]]\nname = \"a\"\nmatch = { owner_alias = \"self\", not = { owner_alias = \"x\" } }\nkeep = \"all\"\n",
                Provider::Azure,
                &[
                    "rule[0].match.owner_alias NoOwnerAlias",
                    "rule[0].match.not.owner_alias NoOwnerAlias",
                ],
            ),
            (
                "[[rule]]\nname = \"a\"\nmatch = { not = { os_state = \"specialized\" } }\nkeep = { last = 1 }\n",
                Provider::Aws,
                &["rule[0].match.not.os_state NoOsState"],
            ),
            (
                &format!(
                    "{RULE}[safety]\nsubscriptions = [\"0f0e0d0c-1234-5678-9abc-def012345678\"]\n"
                ),
                Provider::Aws,
                &["safety.subscriptions NoSubscriptions"],
            ),
            (
                &format!("{RULE}[safety]\ncompute_environments = \"required\"\n"),
                Provider::Azure,
                &["safety.compute_environments NoBatchPools"],
            ),
        ] {
            assert_eq!(errors(policy, provider), expected, "{policy}");
            let other = if provider == Provider::Aws { Provider::Azure } else { Provider::Aws };
            assert_eq!(of(policy, other), (vec![], vec![]), "{policy}");
        }
        assert_eq!(of(RULE, Provider::Azure), (vec![], vec![]));
    }

    #[test]
    fn keys_that_protect_nothing_are_only_reported() {
        let policy = format!(
            "{RULE}[safety]\ntemplate_versions = \"all\"\ncompute_environments = \"off\"\n\
             share_back = [\"111122223333\"]\nignore_templates = [\"lt-1\"]\n\
             absent_is_empty = [\"ec2:DescribeFleets\"]\n"
        );
        let (errors, idle) = of(&policy, Provider::Azure);
        assert_eq!(errors, [""; 0]);
        let expected = [
            "safety.template_versions NoLaunchTemplates",
            "safety.compute_environments NoComputeEnvironments",
            "safety.share_back NeverUnshared",
            "safety.ignore_templates NoLaunchTemplates",
            "safety.absent_is_empty NoSuchCalls",
        ];
        assert_eq!(idle, expected);
        assert_eq!(of(&policy, Provider::Aws), (vec![], vec![]));
    }

    #[test]
    fn tag_names_that_azure_refuses_are_errors_there() {
        for one in FORBIDDEN {
            let key = toml::Value::from(format!("a{one}b")).to_string();
            let policy = format!("{RULE}[tagging]\nset = {{ {key} = \"1\" }}\n");
            assert_eq!(
                errors(&policy, Provider::Azure),
                [format!("tagging.set.a{one}b TagCharacter")]
            );
            assert_eq!(errors(&policy, Provider::Aws), [""; 0]);
        }
        for key in ["Microsoft.x", "azure", "WINDOWS-1"] {
            let policy = format!("{RULE}[tagging]\nset = {{ \"{key}\" = \"1\" }}\n");
            assert_eq!(
                errors(&policy, Provider::Azure),
                [format!("tagging.set.{key} TagReserved")]
            );
        }
        let policy = format!(
            "{RULE}[tagging]\nset = {{ \"Image-Steward:Keep\" = \"\" }}\n\
             copy_from_instance = [\"Team\", \"a/b\", \"IMAGE-STEWARD:keep\"]\n"
        );
        let expected = [
            "tagging.set.Image-Steward:Keep TagOfSteward",
            "tagging.copy_from_instance[2] TagOfSteward",
        ];
        assert_eq!(errors(&policy, Provider::Azure), expected);
        for (prefix, why) in [("acme/", "TagCharacter"), ("Azure:", "TagReserved")] {
            let policy = format!("{RULE}[tagging]\nprefix = \"{prefix}\"\n");
            assert_eq!(errors(&policy, Provider::Azure), [format!("tagging.prefix {why}")]);
            assert_eq!(errors(&policy, Provider::Aws), [""; 0]);
        }
    }

    #[test]
    fn the_error_names_each_key_and_the_remedy() {
        let policy = "version = 1\n[[rule]]\nname = \"a\"\nkeep = { launched_within = \"90d\" }\n";
        let error = Policy::parse(policy, "p").unwrap().check_for(Provider::Azure).unwrap_err();
        let expected = "rule[0].keep.launched_within: Azure does not report when images were launched, so this \
                        would keep nothing; remove it, and keep these images by other keys";
        assert_eq!(error.to_string(), expected);
    }
}
