//! Fuzzes the event parser: any input returns a trigger without a panic, and always the same one.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use steward::events::Trigger;
use steward::model::AccountRegion;
use steward_eventbridge::{EC2_SOURCE, EventOrigin, parse};

fuzz_target!(|data: &[u8]| {
    let Ok(event) = serde_json::from_slice::<Value>(data) else { return };
    let (Ok(account), Ok(region)) = ("123456789012".parse(), "eu-central-1".parse()) else { return };
    let target = AccountRegion { account, region };
    let origin = EventOrigin { source: EC2_SOURCE, target: &target };
    let trigger = parse(&event, origin);
    if let Trigger::Image { image, .. } = &trigger {
        assert!(image.as_str().starts_with("ami-"));
    }
    assert_eq!(trigger, parse(&event, origin));
});
