//! The permissions that a deployment needs because of the policy.

use serde::Serialize;

use super::{Policy, RetireAction, SharedImages};

/// The permissions that the functions need in addition to those that every policy needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Needs {
    /// The policy keys that allow shared images to be retired: `safety.shared_images`,
    /// `rule[2].shared_images`. If there are any, a rescue needs the permission to share images
    /// again.
    pub retire_shared_images: Vec<String>,
    /// The action that retires source instances.
    pub retire_instances: RetiredInstances,
}

/// The action that retires source instances, named as in the parameters of a deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names are self-explanatory")]
pub enum RetiredInstances {
    Off,
    Stop,
    Terminate,
}

impl Policy {
    /// The permissions that a deployment needs for this policy. `safety.shared_images` counts only
    /// if a rule uses it.
    pub fn needs(&self) -> Needs {
        let mut retire_shared_images = Vec::new();
        for (index, rule) in self.rules.iter().enumerate() {
            match (rule.shared_images, rule.overrides_shared_images) {
                (SharedImages::Keep, _) => {}
                (SharedImages::Retire, true) => {
                    retire_shared_images.push(format!("rule[{index}].shared_images"));
                }
                (SharedImages::Retire, false) => {
                    let place = "safety.shared_images".to_owned();
                    if !retire_shared_images.contains(&place) {
                        retire_shared_images.insert(0, place);
                    }
                }
            }
        }
        let retire_instances = match self.instances.retire {
            RetireAction::Never => RetiredInstances::Off,
            RetireAction::Stop => RetiredInstances::Stop,
            RetireAction::Terminate => RetiredInstances::Terminate,
        };
        Needs { retire_shared_images, retire_instances }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn needs(safety: &str, rules: &[&str], instances: &str) -> Needs {
        let rule = |(index, own): (usize, &&str)| {
            format!("[[rule]]\nname = \"r{index}\"\nkeep.last = 1\n{own}\n")
        };
        let rules: String = rules.iter().enumerate().map(rule).collect();
        let text = format!("version = 1\n{rules}[safety]\n{safety}\n[instances]\n{instances}\n");
        Policy::parse(&text, "p.toml").unwrap().needs()
    }

    #[test]
    fn keys_that_allow_retiring_shared_images_are_listed() {
        const KEEP: &str = "shared_images = \"keep\"";
        const RETIRE: &str = "shared_images = \"retire\"";
        let (safety, rule) = ("safety.shared_images", |n| format!("rule[{n}].shared_images"));
        for (general, rules, expected) in [
            ("", &["", KEEP][..], vec![]),
            (KEEP, &[""], vec![]),
            (KEEP, &["", KEEP, RETIRE, RETIRE], vec![rule(2), rule(3)]),
            (RETIRE, &["", KEEP, ""], vec![safety.to_owned()]),
            (RETIRE, &[RETIRE, ""], vec![safety.to_owned(), rule(0)]),
            // Every rule overrides it, so it applies to no image.
            (RETIRE, &[KEEP], vec![]),
        ] {
            let found = needs(general, rules, "").retire_shared_images;
            assert_eq!(found, expected, "{general} {rules:?}");
        }
    }

    #[test]
    fn retirement_is_named_as_in_deployment_parameters() {
        for (policy, expected) in [
            ("", RetiredInstances::Off),
            ("retire = \"never\"", RetiredInstances::Off),
            ("retire = \"stop\"", RetiredInstances::Stop),
            ("retire = \"terminate\"", RetiredInstances::Terminate),
        ] {
            assert_eq!(needs("", &[""], policy).retire_instances, expected, "{policy}");
        }
    }
}
