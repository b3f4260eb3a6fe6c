//! Reading the policy from Systems Manager parameters.

use std::collections::BTreeMap;

use aws_sdk_ssm::operation::get_parameters::GetParametersOutput;
use aws_sdk_ssm::types::{Parameter, ParameterType};
use steward::cloud::{CloudError, ErrorKind};

use super::Aws;
use super::api_call::ApiCall;
use super::error::bad_response;

const CALL: ApiCall = ApiCall::GetParameters;

impl Aws {
    /// The values of the parameters `names` in this order, read with one call and not decrypted. Does
    /// not check that the values belong together. Names must not contain a version or a label. Systems
    /// Manager accepts at most 10 names.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] if a parameter does not exist, [`ErrorKind::Other`] if one is not of
    /// type `String`.
    pub async fn policy_parameters(&self, names: &[String]) -> Result<Vec<String>, CloudError> {
        let request = self
            .clients
            .ssm
            .get_parameters()
            .set_names(Some(names.to_vec()))
            .with_decryption(false);
        let answer = self.send(CALL, request.send()).await.map_err(|error| {
            // The message of SSM for a denied call names at most one parameter.
            let message = format!("{}: {}", listed("parameter", names), error.message);
            CloudError { message, ..error }
        })?;
        values_of(names, &answer)
    }
}

fn values_of(names: &[String], answer: &GetParametersOutput) -> Result<Vec<String>, CloudError> {
    let found = by_name(names, answer)?;
    let mut parameters = Vec::new();
    let mut absent = Vec::new();
    for name in names {
        match found.get(name.as_str()) {
            Some(Some(parameter)) => parameters.push((name, *parameter)),
            Some(None) => absent.push(name),
            None => {
                let message = format!("the response lacks parameter {name}");
                return Err(bad_response(CALL, message));
            }
        }
    }
    if !absent.is_empty() {
        let which = listed("parameter", &absent);
        let (verb, them) = if absent.len() == 1 { ("does", "it") } else { ("do", "them") };
        return Err(CloudError {
            kind: ErrorKind::NotFound,
            ..bad_response(
                CALL,
                format!("{which} {verb} not exist in this account and Region; create {them}"),
            )
        });
    }
    let mut values = Vec::new();
    for (name, parameter) in parameters {
        match &parameter.r#type {
            Some(ParameterType::String) => {}
            Some(other) => {
                let message = format!(
                    "parameter {name} is of type {other}; a policy is read only from type String"
                );
                return Err(bad_response(CALL, message));
            }
            None => return Err(lacks(name, "type")),
        }
        values.push(parameter.value.clone().ok_or_else(|| lacks(name, "value"))?);
    }
    Ok(values)
}

/// The parameters in the response by name, `None` for a parameter that does not exist. Fails if a
/// parameter was not requested or occurs twice.
fn by_name<'a>(
    names: &[String],
    answer: &'a GetParametersOutput,
) -> Result<BTreeMap<&'a str, Option<&'a Parameter>>, CloudError> {
    let mut found = BTreeMap::new();
    let parameters = answer.parameters().iter().map(|one| (one.name(), Some(one)));
    let absent = answer.invalid_parameters().iter().map(|one| (Some(one.as_str()), None));
    for (name, one) in parameters.chain(absent) {
        let Some(name) = name else {
            return Err(bad_response(
                CALL,
                "the response contains a parameter without a name".to_owned(),
            ));
        };
        if !names.iter().any(|asked| asked == name) {
            let message =
                format!("the response contains parameter {name}, which was not requested");
            return Err(bad_response(CALL, message));
        }
        if found.insert(name, one).is_some() {
            let message = format!("the response contains parameter {name} twice");
            return Err(bad_response(CALL, message));
        }
    }
    Ok(found)
}

fn listed(what: &str, names: &[impl AsRef<str>]) -> String {
    let plural = if names.len() == 1 { "" } else { "s" };
    let names: Vec<_> = names.iter().map(AsRef::as_ref).collect();
    format!("{what}{plural} {}", names.join(", "))
}

fn lacks(name: &str, what: &str) -> CloudError {
    bad_response(CALL, format!("the response lacks the {what} of parameter {name}"))
}

#[cfg(test)]
mod tests {
    use aws_sdk_ssm::types::builders::ParameterBuilder;

    use super::*;

    fn part(number: u8) -> ParameterBuilder {
        Parameter::builder()
            .name(format!("/p/{number}"))
            .r#type(ParameterType::String)
            .value(format!("part {number}"))
    }

    /// The result of reading the parts 1 to 3.
    fn read(parts: Vec<ParameterBuilder>, absent: &[&str]) -> Result<Vec<String>, CloudError> {
        let names = [1, 2, 3].map(|number| format!("/p/{number}"));
        let parts = parts.into_iter().map(ParameterBuilder::build).collect();
        let absent = absent.iter().map(|one| (*one).to_owned()).collect();
        let answer = GetParametersOutput::builder();
        let answer = answer.set_parameters(Some(parts)).set_invalid_parameters(Some(absent));
        values_of(&names, &answer.build())
    }

    fn message(parts: Vec<ParameterBuilder>, absent: &[&str]) -> String {
        let error = read(parts, absent).unwrap_err();
        assert_eq!((error.call, error.kind), ("ssm:GetParameters", ErrorKind::Other), "{error}");
        error.message
    }

    #[test]
    fn the_parts_are_in_the_order_of_their_names_however_they_come() {
        let expected = ["part 1", "part 2", "part 3"];
        for order in [[1, 2, 3], [3, 1, 2], [2, 3, 1]] {
            assert_eq!(read(order.map(part).into(), &[]).unwrap(), expected, "{order:?}");
        }
    }

    #[test]
    fn all_that_are_missing_are_named() {
        let error = read(vec![part(2)], &["/p/3", "/p/1"]).unwrap_err();
        assert_eq!(error.kind, ErrorKind::NotFound);
        assert_eq!(
            error.message,
            "parameters /p/1, /p/3 do not exist in this account and Region; create them"
        );
        let error = read(vec![part(3), part(1)], &["/p/2"]).unwrap_err();
        let text = "parameter /p/2 does not exist in this account and Region; create it";
        assert_eq!((error.kind, error.message.as_str()), (ErrorKind::NotFound, text));
    }

    #[test]
    fn a_response_that_is_not_understood_is_an_error() {
        let all = || vec![part(1), part(2), part(3)];
        let mut twice = all();
        twice.push(part(2));
        let mut other = all();
        other.push(part(4));
        for (parts, absent, expected) in [
            (vec![part(1), part(2)], &[][..], "lacks parameter /p/3"),
            (vec![], &[], "lacks parameter /p/1"),
            (twice, &[], "contains parameter /p/2 twice"),
            (all(), &["/p/2"], "contains parameter /p/2 twice"),
            (vec![part(1), part(2)], &["/p/3", "/p/3"], "contains parameter /p/3 twice"),
            (other, &[], "contains parameter /p/4, which was not requested"),
            (all(), &["/q"], "contains parameter /q, which was not requested"),
            (vec![part(1), part(2), part(3).set_name(None)], &[], "without a name"),
            (
                vec![part(1), part(2), part(3).set_value(None)],
                &[],
                "lacks the value of parameter /p/3",
            ),
            (
                vec![part(1), part(2), part(3).set_type(None)],
                &[],
                "lacks the type of parameter /p/3",
            ),
        ] {
            let found = message(parts, absent);
            assert!(found.contains(expected), "{found}, not {expected}");
        }
    }

    #[test]
    fn only_a_string_is_a_policy_and_no_error_holds_the_value() {
        for kind in ["SecureString", "StringList", "Tomorrow"] {
            let found = message(vec![part(1), part(2).r#type(kind.into()), part(3)], &[]);
            let expected =
                format!("parameter /p/2 is of type {kind}; a policy is read only from type String");
            assert_eq!(found, expected);
        }
    }
}
