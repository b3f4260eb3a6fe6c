//! An event: understood or not, but never a panic; and the same bytes mean the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use steward::events::Trigger;

fuzz_target!(|data: &[u8]| {
    let Ok(event) = serde_json::from_slice::<Value>(data) else { return };
    let trigger = steward_eventbridge::parse(&event);
    if let Trigger::Image { image, .. } = &trigger {
        assert!(image.as_str().starts_with("ami-"));
    }
    assert_eq!(trigger, steward_eventbridge::parse(&event));
});
