//! HubSpot misbehaves, and the mails of the day say the same.

use end_to_end::{Day, Figures};
use hubspot_simulator::{EventShape, Settings, SignatureHeaders};

/// Retries come at once: the 24 h schedule runs a thousand times faster.
const RETRY_SPEED: u32 = 1_000;

/// How the day is played.
enum Pace {
    /// Each step in a delivery of its own.
    StepByStep,
    /// Many steps in a delivery.
    AtOnce,
}
use Pace::{AtOnce, StepByStep};

async fn a_day_with(faults: &[&str], pace: Pace, settings: Settings) -> Day {
    let settings = Settings { retry_speed: RETRY_SPEED, ..settings };
    // The books are opened in peace, so that every fault meets the day.
    let day = Day::begin(settings, &[]).await;
    for fault in faults {
        day.simulator.faults().arm(fault.parse().expect("the fault is in the catalogue"));
    }
    match pace {
        StepByStep => day.play().await,
        AtOnce => day.play_at_once().await,
    }
    assert!(day.simulator.faults().are_used_up(), "not every fault has happened: {:?}", day.simulator.faults());
    assert_eq!(Figures::of_mails(&day.local.mails()), day.happened(), "{}", day.local.log());
    day
}

/// Events in the books beside those that HubSpot made.
async fn events(day: &Day) -> (u64, u64) {
    let books = day.local.books("SELECT count(*) FROM events").await;
    (books.try_into().expect("counts are from 0 on"), day.simulator.counters().events)
}

macro_rules! faults {
    ($($name:ident: $faults:expr, $pace:ident, |$day:ident| $seen:expr;)*) => {$(
        #[tokio::test]
        async fn $name() {
            let $day = a_day_with(&$faults, $pace, Settings::default()).await;
            let (in_the_books, made) = events(&$day).await;
            assert!(in_the_books >= made - 1, "{in_the_books} of {made} events are in the books");
            let seen: bool = $seen;
            assert!(seen, "{:?}\n{}", $day.simulator.counters(), $day.local.log());
        }
    )*};
}

faults! {
    duplicate_deliveries: ["duplicate-deliveries:9"], StepByStep, |day| {
        let deliveries = day.local.books("SELECT count(*) FROM deliveries").await;
        let (in_the_books, made) = events(&day).await;
        deliveries == i64::try_from(day.simulator.counters().accepted).unwrap() && in_the_books == made
    };
    shuffled_events: ["shuffle-events:9"], StepByStep, |day| day.simulator.counters().refused == 0;
    wrong_order: ["wrong-order:2", "shuffle-events:1"], AtOnce, |day| day.simulator.counters().refused == 0;
    retries_under_another_event_id: ["wrong-signature:3", "stale-timestamp:1", "renumber-retries:5"], StepByStep,
        |day| day.simulator.counters().refused >= 3;
    late_events: ["late-events:700ms"], AtOnce, |day| day.simulator.counters().given_up == 0;
    rate_limit: ["rate-limit:4"], AtOnce, |day| day.simulator.counters().rate_limited >= 4;
    server_error: ["server-error:4"], AtOnce, |day| day.local.log().contains("problems=1");
    garbage: ["garbage:4"], StepByStep, |day| day.simulator.counters().refused == 0;
    locked: ["locked:2"], AtOnce, |day| day.simulator.counters().refused == 0;
    partial_reads: ["partial-read:2", "errors-in-200:1", "shuffled-results:3", "absent-nulls:5"], StepByStep,
        |day| day.simulator.counters().refused == 0;
    stale_reads: ["stale-reads:400ms"], AtOnce,
        |day| day.local.books("SELECT count(*) FROM records WHERE unsettled").await == 0;
    late_record: ["late-record:400ms"], AtOnce,
        |day| day.local.books("SELECT count(*) FROM records WHERE state = 'gone'").await == 0;
    foreign_portal: ["foreign-portal:1"], StepByStep,
        |day| day.local.books("SELECT count(*) FROM set_aside WHERE cause LIKE 'of account 62515002;%'").await == 1;
    odd_events: ["odd-events:3"], StepByStep, |day| day.local.books("SELECT count(*) FROM set_aside").await == 9;
    slow_api: ["slow-api:150ms"], AtOnce, |day| day.simulator.counters().given_up == 0;
}

#[tokio::test]
async fn classic_events_with_a_v2_signature_beside() {
    let settings = Settings {
        event_shape: EventShape::Classic,
        signature_headers: SignatureHeaders::V2AndV3,
        ..Settings::default()
    };
    let day = a_day_with(&[], StepByStep, settings).await;
    // A short body is kept as it came.
    let classic = "SELECT count(*) FROM deliveries WHERE instr(CAST(body AS TEXT), '\"deal.propertyChange\"') > 0";
    let count = day.local.books(classic).await;
    assert!(count > 3, "{count}");
}
