//! The functions of the app. Each has a directory with a `function.json` in `infra/azure/functions`.

use std::time::Duration;

use steward::jobs::FunctionKind;

/// The maximum duration of an invocation: `functionTimeout` in `infra/azure/functions/host.json`. The
/// host then stops the program.
pub const FUNCTION_TIMEOUT: Duration = Duration::from_secs(600);

/// The time that an invocation leaves for its response.
pub(crate) const MARGIN: Duration = Duration::from_secs(20);

/// What starts a function, and under which name the host sends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Binding {
    /// A schedule. The host runs one timer at a time, over all instances of the app.
    Timer,
    /// An event of Event Grid.
    Event,
}

impl Binding {
    /// The name of the binding in `function.json`, which is the key in the host's request.
    pub fn name(self) -> &'static str {
        match self {
            Self::Timer => "timer",
            Self::Event => "event",
        }
    }

    /// The number of invocations of a function that may run at the same time in this process. Sweeps
    /// change the same resources, so a second one is rejected. Events are usually about different
    /// images.
    pub(crate) fn max_concurrent(self) -> usize {
        match self {
            Self::Timer => 1,
            Self::Event => 8,
        }
    }
}

/// A function of the app.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AppFunction {
    /// The name, which is the path of the host's requests.
    pub name: &'static str,
    /// What it does.
    pub kind: FunctionKind,
    /// What starts it.
    pub binding: Binding,
}

/// All functions of the app. A function of Azure has only one trigger, so retiring instances needs
/// two.
pub const FUNCTIONS: [AppFunction; 5] = [
    AppFunction { name: "prune-images", kind: FunctionKind::PruneImages, binding: Binding::Timer },
    AppFunction {
        name: "reap-snapshots",
        kind: FunctionKind::ReapSnapshots,
        binding: Binding::Timer,
    },
    AppFunction { name: "tag-image", kind: FunctionKind::TagImage, binding: Binding::Event },
    AppFunction {
        name: "retire-instance",
        kind: FunctionKind::RetireInstance,
        binding: Binding::Event,
    },
    AppFunction {
        name: "retire-instance-sweep",
        kind: FunctionKind::RetireInstance,
        binding: Binding::Timer,
    },
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::{Path, PathBuf};

    use serde_json::Value;

    use super::*;

    fn directory() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../infra/azure/functions")
    }

    fn read(path: &Path) -> Value {
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
    }

    #[test]
    fn every_function_has_its_function_json() {
        let mut found = BTreeSet::new();
        for entry in std::fs::read_dir(directory()).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                let name = path.file_name().unwrap().to_str().unwrap().to_owned();
                let binding = &read(&path.join("function.json"))["bindings"][0];
                let trigger = binding["type"].as_str().unwrap().to_owned();
                found.insert((name, trigger, binding["name"].as_str().unwrap().to_owned()));
            }
        }
        let expected = FUNCTIONS.map(|function| {
            let trigger = match function.binding {
                Binding::Timer => "timerTrigger",
                Binding::Event => "eventGridTrigger",
            };
            (function.name.to_owned(), trigger.to_owned(), function.binding.name().to_owned())
        });
        assert_eq!(found, BTreeSet::from(expected));
    }

    #[test]
    fn the_host_has_the_same_timeout() {
        let host = read(&directory().join("host.json"));
        let minutes = FUNCTION_TIMEOUT.as_secs() / 60;
        assert_eq!(host["functionTimeout"], format!("00:{minutes}:00"));
    }
}
