//! Reading the rules of the Recycle Bin.

use std::collections::BTreeMap;

use aws_sdk_rbin::operation::get_rule::GetRuleOutput;
use aws_sdk_rbin::types::{ResourceTag, ResourceType, RetentionPeriodUnit, RuleStatus};
use steward::cloud::{CloudError, ErrorKind};
use steward::model::{Recyclable, RetentionRule, Tags};

use super::Aws;
use super::api_call::ApiCall;
use super::error::bad_response;

/// The maximum page size of ListRules.
const PAGE: i32 = 1000;

impl Aws {
    pub(super) async fn rule_ids(&self, resource: Recyclable) -> Result<Vec<String>, CloudError> {
        let kind = match resource {
            Recyclable::Images => ResourceType::Ec2Image,
            Recyclable::Snapshots => ResourceType::EbsSnapshot,
        };
        self.list(
            ApiCall::ListRules,
            |token| {
                let request = self
                    .clients
                    .rbin
                    .list_rules()
                    .resource_type(kind.clone())
                    .max_results(PAGE)
                    .set_next_token(token);
                request.send()
            },
            |page| (page.rules, page.next_token),
            |rule| {
                let id = rule.identifier.filter(|id| !id.is_empty());
                let missing = || {
                    bad_response(
                        ApiCall::ListRules,
                        "the response contains a rule without an ID".into(),
                    )
                };
                id.ok_or_else(missing).map(Some)
            },
        )
        .await
    }

    /// Reads a rule. `None` if it was deleted after it was listed.
    pub(super) async fn rule(
        &self,
        id: String,
        resource: Recyclable,
    ) -> Result<Option<RetentionRule>, CloudError> {
        let request = self.clients.rbin.get_rule().identifier(&id);
        match self.send(ApiCall::GetRule, request.send()).await {
            Ok(answer) => rule_of(id, resource, answer).map(Some),
            Err(error) if error.kind == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

fn rule_of(
    id: String,
    resource: Recyclable,
    answer: GetRuleOutput,
) -> Result<RetentionRule, CloudError> {
    let period = answer.retention_period;
    let period = period.filter(|period| period.retention_period_unit == RetentionPeriodUnit::Days);
    let days = period.and_then(|period| period.retention_period_value.try_into().ok());
    let days = days.ok_or_else(|| {
        bad_response(
            ApiCall::GetRule,
            format!("the response lacks the retention period of rule {id} in days"),
        )
    })?;
    Ok(RetentionRule {
        resource,
        days,
        in_effect: answer.status == Some(RuleStatus::Available),
        tags: included(pairs(&id, answer.resource_tags)?),
        except: excluded(pairs(&id, answer.exclude_resource_tags)?),
        rule_id: id.into(),
    })
}

/// A rule may include several values of a key, but [`Tags`] contains one. Only the last value is used,
/// so the rule counts as covering less than it does.
fn included(tags: Vec<(String, String)>) -> Tags {
    tags.into_iter().collect()
}

/// If a rule excludes several values of a key, it counts as excluding all values. So again it counts as
/// covering less than it does.
fn excluded(tags: Vec<(String, String)>) -> Tags {
    let mut found: BTreeMap<String, String> = BTreeMap::new();
    for (key, value) in tags {
        found
            .entry(key)
            .and_modify(|held| {
                if *held != value {
                    held.clear();
                }
            })
            .or_insert(value);
    }
    found.into_iter().collect()
}

/// The tags in a rule. The SDK sets a missing key to an empty one.
fn pairs(rule: &str, tags: Option<Vec<ResourceTag>>) -> Result<Vec<(String, String)>, CloudError> {
    let pair = |tag: ResourceTag| match tag.resource_tag_key.as_str() {
        "" => {
            Err(bad_response(ApiCall::GetRule, format!("rule {rule} contains a tag without a key")))
        }
        _ => Ok((tag.resource_tag_key, tag.resource_tag_value.unwrap_or_default())),
    };
    tags.into_iter().flatten().map(pair).collect()
}

#[cfg(test)]
mod tests {
    use aws_sdk_rbin::types::RetentionPeriod;

    use super::*;

    fn answer(unit: &str, status: &str) -> GetRuleOutput {
        let period = RetentionPeriod::builder()
            .retention_period_value(14)
            .retention_period_unit(unit.into())
            .build()
            .unwrap();
        GetRuleOutput::builder().retention_period(period).status(status.into()).build()
    }

    fn rule(answer: GetRuleOutput) -> Result<RetentionRule, CloudError> {
        rule_of("abc".into(), Recyclable::Images, answer)
    }

    fn tag(key: &str, value: Option<&str>) -> ResourceTag {
        let tag = ResourceTag::builder().resource_tag_key(key);
        tag.set_resource_tag_value(value.map(str::to_owned)).build().unwrap()
    }

    #[test]
    fn only_an_available_rule_is_in_effect() {
        for (status, in_effect) in [("available", true), ("pending", false), ("tomorrow", false)] {
            let rule = rule(answer("DAYS", status)).unwrap();
            assert_eq!((rule.days, rule.in_effect), (14, in_effect), "{status}");
        }
    }

    #[test]
    fn a_period_that_is_not_in_days_is_not_guessed() {
        let error = rule(answer("WEEKS", "available")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "rbin:GetRule: the response lacks the retention period of rule abc in days"
        );
        let absent = GetRuleOutput::builder().status(RuleStatus::Available).build();
        assert!(rule(absent).is_err());
    }

    #[test]
    fn a_tag_without_a_value_has_an_empty_one() {
        let tags = included(
            pairs("a", Some(vec![tag("backup", None), tag("team", Some("web"))])).unwrap(),
        );
        assert_eq!((tags.get("backup"), tags.get("team")), (Some(""), Some("web")));
    }

    #[test]
    fn a_key_that_is_excluded_with_two_values_is_excluded_with_any() {
        let tags = excluded(
            pairs(
                "a",
                Some(vec![
                    tag("env", Some("test")),
                    tag("env", Some("scratch")),
                    tag("team", Some("web")),
                    tag("team", Some("web")),
                ]),
            )
            .unwrap(),
        );
        let error = pairs("a", Some(vec![tag("", Some("web"))])).unwrap_err();
        assert!(error.message.ends_with("rule a contains a tag without a key"), "{error}");
        assert_eq!((tags.get("env"), tags.get("team")), (Some(""), Some("web")));
    }
}
