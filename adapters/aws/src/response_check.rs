//! Rejects responses that the SDK would parse incompletely.
//!
//! The SDK's parser is lenient. It accepts truncated XML, skips comments, CDATA and unknown elements,
//! and keeps only the last of repeated elements. A truncated or modified listing would parse as a
//! shorter or empty one, and images in use would appear unused. So every response is checked a second
//! time with stricter rules. The meaning of the elements is checked where they are read.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use aws_sdk_ec2::config::interceptors::AfterDeserializationInterceptorContextRef;
use aws_sdk_ec2::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_ec2::error::BoxError;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use steward::progress::{Progress, ProgressEvent};
use steward::text_fmt::thousands;
use xmlparser::{ElementEnd, Token, Tokenizer};

/// The names of list items. Only these may occur several times in one element.
/// `tests/standin/test_lists.py` compares both lists with the service models.
const ITEMS: &[&str] = &["item", "member", "SecurityGroupId", "groupId"];

/// The lists that are read. Ambiguous names have the end of their path. Lists contain only items.
const LISTS: &[&str] = &[
    // EC2
    "blockDeviceMapping",
    "blockDeviceMappingSet",
    "createVolumePermission",
    "deleteSnapshotResultSet",
    "fleetSet",
    "imageReferenceSet",
    "imageSet",
    "imagesSet",
    "instancesSet",
    "launchPermission",
    "launchSpecifications",
    "launchTemplateConfigs",
    "launchTemplateConfigs/item/overrides",
    "launchTemplates",
    "launchTemplateVersionSet",
    "reservationSet",
    "snapshotSet",
    "spotFleetRequestConfigSet",
    "spotInstanceRequestSet",
    "tagSet",
    // Auto Scaling
    "AutoScalingGroups",
    "AutoScalingInstances",
    "BlockDeviceMappings",
    "LaunchConfigurations",
    "Overrides",
];

/// Responses in which a missing list would not be noticed: the service model requires the list, so
/// the SDK returns an empty one.
const REQUIRED: &[(&str, &str)] = &[
    ("DescribeAutoScalingGroupsResponse", "AutoScalingGroups"),
    ("DescribeLaunchConfigurationsResponse", "LaunchConfigurations"),
];

/// The protocol of a service.
#[derive(Debug, Clone, Copy)]
pub(super) enum BodyFormat {
    Xml,
    Json,
}

/// Fails every call whose successful response may contain data that the SDK does not read.
#[derive(Debug, Clone)]
pub(super) struct ResponseCheck {
    pub(super) format: BodyFormat,
    pub(super) progress: Arc<dyn Progress>,
}

impl Intercept for ResponseCheck {
    fn name(&self) -> &'static str {
        "ResponseCheck"
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let response = context.response();
        // EC2 returns RequestLimitExceeded with status 503.
        if response.status().is_server_error() {
            self.progress.report(ProgressEvent::Throttled);
        }
        // Errors are classified by their codes.
        if !response.status().is_success() {
            return Ok(());
        }
        let body = response.body().bytes().unwrap_or_default();
        let check = match self.format {
            BodyFormat::Xml => check_xml,
            BodyFormat::Json => check_json,
        };
        let text = std::str::from_utf8(body).map_err(|_| "not UTF-8".to_owned());
        let found = text.and_then(|text| match context.output_or_error() {
            Err(error) => check(text).and(not_parsed(text, &format!("{error:?}"))),
            Ok(_) => check(text),
        });
        found.map_err(|problem| {
            format!("unusable response ({} bytes): {problem}", thousands(body.len())).into()
        })
    }
}

/// Finds the element at which the SDK stopped, if its `error` contains the position in `text`.
fn not_parsed(text: &str, error: &str) -> Result<(), String> {
    const PLACE: &str = "span: StrSpan(";
    let place = error.split_once(PLACE).and_then(|(_, rest)| {
        let (_, numbers) = rest.split_once("\" ")?;
        numbers.split_once("..")?.0.parse::<usize>().ok()
    });
    let Some(place) = place else { return Ok(()) };
    let mut open = Vec::new();
    for token in Tokenizer::from(text).flatten() {
        match token {
            Token::ElementStart { local, span, .. } if span.start() == place => {
                let (element, parent) = (local.as_str(), open.join("/"));
                return Err(format!("{parent} contains the element {element} instead of a value"));
            }
            Token::ElementStart { local, .. } => open.push(local.as_str()),
            Token::ElementEnd { end: ElementEnd::Open, .. } => {}
            Token::ElementEnd { .. } => drop(open.pop()),
            _ => {}
        }
    }
    Ok(())
}

/// An element whose end tag has not been read yet.
struct OpenElement<'a> {
    name: &'a str,
    /// The names of its children that may occur only once.
    children: Vec<&'a str>,
    has_children: bool,
    has_text: bool,
}

fn path(open: &[OpenElement<'_>]) -> String {
    open.iter().map(|one| one.name).collect::<Vec<_>>().join("/")
}

/// Whether the innermost open element is one of [`LISTS`].
fn is_list(open: &[OpenElement<'_>]) -> bool {
    LISTS.iter().any(|list| {
        let mut names = open.iter().rev().map(|one| one.name);
        list.rsplit('/').all(|name| names.next() == Some(name))
    })
}

/// Checks that `text` is one element `…Response` with balanced tags and without errors, comments,
/// CDATA or repeated elements, and that its lists contain only items.
fn check_xml(text: &str) -> Result<(), String> {
    let mut open: Vec<OpenElement<'_>> = Vec::new();
    let mut is_over = false;
    // The required list, until it was found.
    let mut missing = None;
    for token in Tokenizer::from(text) {
        let token = token.map_err(|error| format!("{error} in {}", path(&open)))?;
        match token {
            Token::Declaration { .. } | Token::Attribute { .. } => {}
            Token::ProcessingInstruction { .. }
            | Token::Comment { .. }
            | Token::DtdStart { .. }
            | Token::EmptyDtd { .. }
            | Token::EntityDeclaration { .. }
            | Token::DtdEnd { .. }
            | Token::Cdata { .. } => {
                let what = token.span().as_str().chars().take(9).collect::<String>();
                return Err(format!("`{what}` in {}", path(&open)));
            }
            Token::Text { text } => {
                if text.as_str().trim_ascii().is_empty() {
                    continue;
                }
                let list = is_list(&open);
                let Some(element) = open.last_mut() else {
                    return Err("text outside the response".to_owned());
                };
                element.has_text = true;
                if element.has_children || list {
                    return Err(format!("text between the elements of {}", path(&open)));
                }
            }
            Token::ElementStart { local, .. } => {
                let name = local.as_str();
                let (list, depth) = (is_list(&open), open.len());
                match open.last_mut() {
                    None if !name.ends_with("Response") => {
                        return Err(format!("{name} is not a response"));
                    }
                    None => {
                        let of_root = REQUIRED.iter().find(|(root, _)| *root == name);
                        missing = of_root.map(|(_, list)| *list);
                    }
                    Some(parent) => {
                        parent.has_children = true;
                        let is_item = ITEMS.contains(&name);
                        let problem = if parent.has_text {
                            Some("next to text")
                        } else if list && !is_item {
                            Some("in a list")
                        } else if !is_item && parent.children.contains(&name) {
                            Some("twice")
                        } else if depth == 1 && matches!(name, "Errors" | "Error") {
                            Some("in a successful response")
                        } else {
                            None
                        };
                        if let Some(problem) = problem {
                            return Err(format!("{name} {problem}, in {}", path(&open)));
                        }
                        if !is_item {
                            parent.children.push(name);
                        }
                        // The list is in `…Result`, which is in `…Response`.
                        missing = missing.filter(|list| depth != 2 || *list != name);
                    }
                }
                open.push(OpenElement {
                    name,
                    children: Vec::new(),
                    has_children: false,
                    has_text: false,
                });
            }
            Token::ElementEnd { end, .. } => {
                match end {
                    ElementEnd::Open => continue,
                    ElementEnd::Empty => {}
                    ElementEnd::Close(_, name) => {
                        if open.last().is_none_or(|one| one.name != name.as_str()) {
                            return Err(format!("unexpected end tag of {name} in {}", path(&open)));
                        }
                    }
                }
                open.pop();
                is_over = open.is_empty();
            }
        }
    }
    match (is_over, open.is_empty()) {
        (true, _) => missing.map_or(Ok(()), |list| Err(format!("missing {list}"))),
        (false, true) => Err("empty".to_owned()),
        (false, false) => Err(format!("truncated in {}", path(&open))),
    }
}

/// Checks that no object in `text` has a repeated key.
fn check_json(text: &str) -> Result<(), String> {
    // The SDK parses an empty body as an object without fields. Callers check required fields.
    if text.trim_ascii().is_empty() {
        return Ok(());
    }
    serde_json::from_str::<KeysOnce>(text).map(|_| ()).map_err(|error| error.to_string())
}

/// Any JSON in which no object has a repeated key.
struct KeysOnce;

impl<'de> Deserialize<'de> for KeysOnce {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for KeysOnce {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self, A::Error> {
        while items.next_element::<Self>()?.is_some() {}
        Ok(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Self, A::Error> {
        let mut seen = HashSet::new();
        while let Some(key) = fields.next_key::<String>()? {
            if seen.contains(&key) {
                return Err(serde::de::Error::custom(format_args!("`{key}` twice")));
            }
            seen.insert(key);
            fields.next_value::<Self>()?;
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn responses_of_aws_are_accepted() {
        for body in [
            "<DescribeImagesResponse><imagesSet/></DescribeImagesResponse>",
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<DescribeImagesResponse xmlns=\"a\">\n  <requestId>1</requestId>\n  \
             <imagesSet>\n    <item><tagSet><item/><item/></tagSet></item>\n    <item/>\n  </imagesSet>\n</DescribeImagesResponse>\n",
            "<AResponse><AResult><Overrides><member/></Overrides></AResult><ResponseMetadata/></AResponse>",
            "<DescribeFleetsResponse><fleetSet><item><fleetInstanceSet><item><overrides><subnetId/></overrides></item>\
             </fleetInstanceSet><tomorrow>1</tomorrow></item></fleetSet></DescribeFleetsResponse>",
        ] {
            assert_eq!(check_xml(body), Ok(()), "{body}");
        }
    }

    #[test]
    fn hidden_and_repeated_elements_are_rejected() {
        for (body, problem) in [
            ("", "empty"),
            ("<html></html>", "html is not a response"),
            ("<AResponse><imagesSet>", "truncated in AResponse/imagesSet"),
            (
                "<AResponse><imagesSet></AResponse>",
                "unexpected end tag of AResponse in AResponse/imagesSet",
            ),
            ("<AResponse/><AResponse/>", "unknown token"),
            ("<AResponse/>x", "unknown token"),
            ("<AResponse><a><!-- --></a></AResponse>", "`<!-- -->` in AResponse/a"),
            ("<AResponse><a><![CDATA[x]]></a></AResponse>", "`<![CDATA[` in AResponse/a"),
            ("<AResponse><?x y?></AResponse>", "`<?x y?>` in AResponse"),
            ("<!DOCTYPE a><AResponse/>", "`<!DOCTYPE` in "),
            ("<AResponse><imagesSet/><imagesSet/></AResponse>", "imagesSet twice, in AResponse"),
            ("<AResponse><a><b/>x</a></AResponse>", "text between the elements of AResponse/a"),
            ("<AResponse><a>x<b/></a></AResponse>", "b next to text, in AResponse/a"),
            ("<AResponse><Errors/></AResponse>", "Errors in a successful response"),
            (
                "<AResponse><imagesSet><image/></imagesSet></AResponse>",
                "image in a list, in AResponse/imagesSet",
            ),
            (
                "<AResponse><imagesSet>7</imagesSet></AResponse>",
                "text between the elements of AResponse/imagesSet",
            ),
            (
                "<AResponse><launchTemplateConfigs><item><overrides><imageId/></overrides></item></launchTemplateConfigs></AResponse>",
                "imageId in a list",
            ),
            ("<AResponse><a>&nothing</a></AResponse", "AResponse"),
            (
                "<DescribeAutoScalingGroupsResponse><DescribeAutoScalingGroupsResult><NextToken/>\
                 </DescribeAutoScalingGroupsResult></DescribeAutoScalingGroupsResponse>",
                "missing AutoScalingGroups",
            ),
            (
                "<DescribeLaunchConfigurationsResponse><DescribeLaunchConfigurationsResult/>\
                 </DescribeLaunchConfigurationsResponse>",
                "missing LaunchConfigurations",
            ),
        ] {
            let found = check_xml(body).unwrap_err();
            assert!(found.contains(problem), "{body}: {found}");
        }
    }

    #[test]
    fn a_key_that_comes_twice_makes_json_unusable() {
        for text in ["", "{}", r#"{"a":[{"b":1.5},{"b":null}],"b":[true,"x",-1]}"#] {
            assert_eq!(check_json(text), Ok(()), "{text}");
        }
        let error = check_json(r#"{"a":[{"b":[1],"b":[]}]}"#).unwrap_err();
        assert!(error.starts_with("`b` twice at line 1"), "{error}");
        assert!(check_json(r#"{"a":["#).is_err());
    }
}
