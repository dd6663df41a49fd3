//! The conformance kit as a program.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::{command, run};

/// The names of the cases that fail at an endpoint.
///
/// # Panics
/// If the kit does not come to an end, or its exit code is not that of its results.
pub async fn failing_cases(target: &str, secret: &str) -> BTreeSet<String> {
    let mut kit = command("hubspot-simulator");
    kit.args(["conformance", "--json", "--target", target, "--secret", secret]);
    let ended = run(kit, b"").await;
    let report: Value = serde_json::from_str(&ended.stdout).unwrap_or_else(|_| panic!("{ended:?}"));
    let cases = report["cases"].as_array().expect("the cases are a list");
    let failing: BTreeSet<String> = cases
        .iter()
        .filter(|case| case["passed"] == false)
        .map(|case| case["name"].as_str().expect("every case has a name").to_owned())
        .collect();
    assert!(cases.len() > 200, "{} cases", cases.len());
    assert_eq!((report["failed"].as_u64(), ended.stderr.as_str()), (u64::try_from(failing.len()).ok(), ""));
    assert_eq!(ended.code, Some(i32::from(!failing.is_empty())));
    failing
}
