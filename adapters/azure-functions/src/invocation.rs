//! The host's request for an invocation, and the response to it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// How often the data of a trigger may be encoded as text. The host sends an object as it is, and text
/// either as it is (in its documentation) or as the JSON of a text (in its source code).
const MAX_ENCODINGS: usize = 2;

/// A request of the host. `Metadata` only repeats parts of the trigger's data, so it is not read.
#[derive(Deserialize)]
struct HostInvocation {
    #[serde(rename = "Data")]
    data: BTreeMap<String, Value>,
}

/// The response to an invocation.
#[derive(Debug, Serialize)]
pub(crate) struct InvocationResponse {
    /// No function has an output.
    #[serde(rename = "Outputs")]
    outputs: BTreeMap<String, Value>,
    /// The host writes these lines to its log, but only for a successful invocation.
    #[serde(rename = "Logs")]
    pub(crate) logs: Vec<String>,
    /// No function has a `$return` binding.
    #[serde(rename = "ReturnValue")]
    return_value: Option<Value>,
}

impl InvocationResponse {
    pub(crate) fn new(logs: Vec<String>) -> Self {
        Self { outputs: BTreeMap::new(), logs, return_value: None }
    }
}

/// The request is not one of the host for this function.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Not JSON, or not an object with `Data`.
    #[error("the request is not an invocation: {0}")]
    NotAnInvocation(String),
    /// The request has no data for the trigger's binding.
    #[error("the request has no Data.{binding}, but {found}; is function.json of another release?")]
    NoBinding {
        /// The name of the binding.
        binding: &'static str,
        /// The names of the bindings in the request.
        found: String,
    },
    /// The trigger's data is neither an object nor a list, nor the JSON of one.
    #[error("Data.{binding} is not JSON: {reason}")]
    NotJson {
        /// The name of the binding.
        binding: &'static str,
        /// Why it could not be parsed.
        reason: String,
    },
}

/// Returns the data of the trigger `binding` in a request: an object or a list.
///
/// # Errors
/// See [`DecodeError`].
pub fn decode(body: &[u8], binding: &'static str) -> Result<Value, DecodeError> {
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let invocation: Result<HostInvocation, _> = serde_path_to_error::deserialize(&mut deserializer);
    let mut invocation =
        invocation.map_err(|error| DecodeError::NotAnInvocation(error.to_string()))?;
    deserializer.end().map_err(|error| DecodeError::NotAnInvocation(error.to_string()))?;
    let Some(mut value) = invocation.data.remove(binding) else {
        let names: Vec<_> = invocation.data.into_keys().collect();
        let found = if names.is_empty() { "nothing".to_owned() } else { names.join(", ") };
        return Err(DecodeError::NoBinding { binding, found });
    };
    let fail = |reason: String| DecodeError::NotJson { binding, reason };
    for _ in 0..MAX_ENCODINGS {
        let Value::String(text) = &value else { break };
        value = serde_json::from_str(text).map_err(|error| fail(error.to_string()))?;
    }
    match value {
        Value::Object(_) | Value::Array(_) => Ok(value),
        Value::String(_) => Err(fail("it is text in text in text".to_owned())),
        Value::Null | Value::Bool(_) | Value::Number(_) => {
            Err(fail(format!("{value} is neither an object nor a list")))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn decoded(request: &Value, binding: &'static str) -> Result<Value, String> {
        decode(request.to_string().as_bytes(), binding).map_err(|error| error.to_string())
    }

    /// The request in the documentation of custom handlers, whose data is text.
    #[test]
    fn the_documented_request_is_read() {
        let request = json!({
            "Data": {"myQueueItem": "{ \"message\": \"Message sent\" }"},
            "Metadata": {
                "DequeueCount": 1,
                "ExpirationTime": "2019-10-16T17:58:31+00:00",
                "Id": "800ae4b3-bdd2-4c08-badd-f08e5a34b865",
                "sys": {
                    "MethodName": "QueueTrigger",
                    "UtcNow": "2019-10-09T17:58:32.2205399Z",
                    "RandGuid": "24ad4c06-24ad-4e5b-8294-3da9714877e9",
                },
            },
        });
        assert_eq!(decoded(&request, "myQueueItem"), Ok(json!({"message": "Message sent"})));
    }

    #[test]
    fn data_may_be_an_object_text_or_json_of_text() {
        let event = json!({"id": "e1", "data": {"a": "\"quoted\""}});
        let text = event.to_string();
        let quoted = json!(text).to_string();
        for data in [event.clone(), json!(text), json!(quoted)] {
            let request = json!({"Data": {"event": data}, "Metadata": {}});
            assert_eq!(decoded(&request, "event"), Ok(event.clone()), "{request}");
        }
        let request = json!({"Data": {"event": json!(quoted).to_string()}});
        assert!(decoded(&request, "event").unwrap_err().contains("text in text"));
    }

    #[test]
    fn unknown_requests_are_errors() {
        for (request, expected) in [
            (json!({}), "not an invocation: missing field `Data`"),
            (json!([]), "not an invocation"),
            (json!({"data": {"event": {}}}), "missing field `Data`"),
            (json!({"Data": null}), "Data: invalid type: null"),
            (json!({"Data": {}}), "no Data.event, but nothing"),
            (json!({"Data": {"timer": {}, "x": 1}}), "no Data.event, but timer, x"),
            (json!({"Data": {"event": null}}), "null is neither"),
            (json!({"Data": {"event": 5}}), "5 is neither"),
            (json!({"Data": {"event": "5"}}), "5 is neither"),
            (json!({"Data": {"event": "{"}}), "Data.event is not JSON: EOF"),
            (json!({"Data": {"event": ""}}), "Data.event is not JSON: EOF"),
        ] {
            let error = decoded(&request, "event").unwrap_err();
            assert!(error.contains(expected), "{request}: {error}");
        }
        for body in
            ["", "{", "event", "{\"Data\": {\"event\": {}}} x", "{\"Data\": {\"event\": {}}"]
        {
            assert!(decode(body.as_bytes(), "event").is_err(), "{body}");
        }
    }

    #[test]
    fn a_response_has_the_documented_keys() {
        let response = InvocationResponse::new(vec!["a".to_owned()]);
        let expected = json!({"Outputs": {}, "Logs": ["a"], "ReturnValue": null});
        assert_eq!(serde_json::to_value(response).unwrap(), expected);
    }
}
