use proptest::prelude::*;

use super::*;
use crate::testing::TestReply;

const DELETE: &str = "Microsoft.Compute/galleries/images/versions/delete";
const RESOURCE: &str = "x-ms-ratelimit-remaining-resource";
const ZERO: Duration = Duration::ZERO;

impl RateLimits {
    fn wait(&self, subscription: &str, call: &'static str, now: Duration) -> Duration {
        self.delay(subscription, call, now).unwrap()
    }
}

fn limits(header: &'static str, value: &str) -> RateLimits {
    let limits = RateLimits::default();
    limits.observe("s", DELETE, &TestReply::new(202, "").with(header, value).reply(DELETE), ZERO);
    limits
}

#[test]
fn budgets_are_read_from_the_headers() {
    let reply = TestReply::new(200, "")
        .with(
            RESOURCE,
            "Microsoft.Compute/GetGallery3Min;347,Microsoft.Compute/GetGallery30Min;2497",
        )
        .with("x-ms-ratelimit-remaining-subscription-reads", "249")
        .reply(DELETE);
    let budget = |name: &str, remaining, seconds| Budget {
        name: name.to_owned(),
        remaining,
        window: Duration::from_secs(seconds),
    };
    let expected = [
        budget("x-ms-ratelimit-remaining-subscription-reads", 249, 10),
        budget("Microsoft.Compute/GetGallery3Min", 347, 180),
        budget("Microsoft.Compute/GetGallery30Min", 2497, 1800),
    ];
    assert_eq!(budgets(&reply), expected);
    for unknown in [
        "",
        ",",
        "Microsoft.Compute/GetGallery3Min",
        "Microsoft.Compute/GetGallery3Min;",
        "Microsoft.Compute/GetGallery3Min;-1",
        "Microsoft.Compute/GetGalleryMin;1",
        "Microsoft.Compute/GetGallery0Min;1",
        "Microsoft.Compute/GetGallery99999999999999999999Min;1",
        "Microsoft.Compute/GetGallerySubscriptionMaximum;1",
    ] {
        let reply = TestReply::new(200, "").with(RESOURCE, unknown).reply(DELETE);
        assert_eq!(budgets(&reply), [], "{unknown}");
    }
}

#[test]
fn calls_are_delayed_only_near_the_end_of_a_budget() {
    let limits = limits(RESOURCE, "Microsoft.Compute/DeleteGalleryImageVersion3Min;150");
    // 150 calls in 3 minutes. The reserve is 15.
    let mut now = ZERO;
    let delays: Vec<Duration> = (0..150)
        .map(|_| {
            let delay = limits.wait("s", DELETE, now);
            now += delay;
            delay
        })
        .collect();
    assert_eq!(delays[..136], [ZERO; 136]);
    assert_eq!(delays[136..], [Duration::from_millis(1200); 14]);
}

#[test]
fn concurrent_calls_take_turns() {
    let limits = limits(RESOURCE, "Microsoft.Compute/DeleteGalleryImageVersion3Min;10");
    let delays: Vec<u64> = (0..4).map(|_| limits.wait("s", DELETE, ZERO).as_secs()).collect();
    // 180 / 10 seconds would be more than the longest interval.
    assert_eq!(delays, [0, 15, 30, 45]);
}

#[test]
fn budgets_of_others_do_not_count() {
    let limits = limits(RESOURCE, "Microsoft.Compute/DeleteGalleryImageVersion3Min;0");
    limits.wait("s", DELETE, ZERO);
    assert_eq!(limits.wait("s", DELETE, ZERO), MAX_SPACING);
    assert_eq!(limits.wait("other", DELETE, ZERO), ZERO);
    assert_eq!(limits.wait("s", "Microsoft.Compute/images/read", ZERO), ZERO);
}

#[test]
fn a_new_report_counts() {
    let limits = limits(RESOURCE, "Microsoft.Compute/DeleteGalleryImageVersion3Min;0");
    let full = "Microsoft.Compute/DeleteGalleryImageVersion3Min;150";
    limits.observe("s", DELETE, &TestReply::new(202, "").with(RESOURCE, full).reply(DELETE), ZERO);
    assert_eq!([limits.wait("s", DELETE, ZERO), limits.wait("s", DELETE, ZERO)], [ZERO; 2]);
}

#[test]
fn a_response_can_block_calls() {
    let limits = RateLimits::default();
    let second = Duration::from_secs(1);
    limits.block("s", DELETE, second, 30 * second);
    limits.block("s", DELETE, second, 10 * second);
    assert_eq!(limits.wait("s", DELETE, 2 * second), 29 * second);
    assert_eq!(limits.wait("s", DELETE, 31 * second), ZERO);
    assert_eq!(limits.wait("other", DELETE, second), ZERO);
    limits.block("s", DELETE, ZERO, 181 * second);
    assert_eq!(limits.delay("s", DELETE, ZERO), Err(BlockedFor(181 * second)));
    assert_eq!(limits.wait("s", DELETE, second), 180 * second);
}

#[test]
fn an_exhausted_quota_of_resource_graph_is_waited_for() {
    let reply = |remaining: &str, resets: &str| {
        let answer = TestReply::new(200, "").with("x-ms-user-quota-remaining", remaining);
        answer.with("x-ms-user-quota-resets-after", resets).reply(DELETE)
    };
    for (remaining, resets, wait) in [
        ("1", "00:00:05", None),
        ("0", "00:00:03", Some(3)),
        ("0", "00:01:02.0000000", Some(62)),
        ("0", "01:00:00.1", Some(3601)),
        ("0", "00:00:00", Some(0)),
        ("0", "3", Some(5)),
        ("0", "00:99:00", Some(5)),
        ("0", "0:0:0:1", Some(5)),
        ("many", "00:00:03", None),
    ] {
        let found = exhausted_quota(&reply(remaining, resets));
        assert_eq!(found, wait.map(Duration::from_secs), "{remaining} {resets}");
    }
    let limits = RateLimits::default();
    limits.observe("", DELETE, &reply("0", "00:00:03"), ZERO);
    assert_eq!(limits.wait("", DELETE, ZERO), Duration::from_secs(3));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// A server that counts as Azure does, with a bucket that is full at the beginning.
    #[test]
    fn the_budget_is_never_exceeded(capacity in 50..400u32, calls in 1..600u32) {
        let limits = RateLimits::default();
        let refill = Duration::from_secs(180) / capacity;
        let (mut now, mut tokens, mut refilled) = (ZERO, capacity, ZERO);
        for _ in 0..calls {
            now += limits.wait("s", DELETE, now);
            while refilled + refill <= now {
                refilled += refill;
                tokens = capacity.min(tokens + 1);
            }
            prop_assert!(tokens > 0, "throttled at {now:?}");
            tokens -= 1;
            let report = format!("Microsoft.Compute/DeleteGalleryImageVersion3Min;{tokens}");
            let reply = TestReply::new(202, "").with(RESOURCE, report).reply(DELETE);
            limits.observe("s", DELETE, &reply, now);
        }
    }

    #[test]
    fn headers_of_any_form_are_read(text in "[ -~]{0,40}") {
        let reply = TestReply::new(200, "").with(RESOURCE, &*text)
            .with("x-ms-user-quota-remaining", "0").with("x-ms-user-quota-resets-after", &*text);
        let limits = RateLimits::default();
        limits.observe("s", DELETE, &reply.reply(DELETE), ZERO);
        let _ = limits.delay("s", DELETE, ZERO);
    }
}
