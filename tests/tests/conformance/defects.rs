//! Each planted defect fails in exactly its cases.

use std::collections::BTreeSet;

use end_to_end::failing_cases;

use crate::server::{Defect, SECRET, Server};

async fn failing(defect: Option<Defect>) -> BTreeSet<String> {
    let server = Server::start(defect).await;
    failing_cases(server.url(), SECRET).await
}

/// The defect's cases, no more and no less.
async fn fails_in(defect: Defect, names: &[&str]) {
    let expected: BTreeSet<String> = names.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(expected.len(), names.len(), "a name is listed twice");
    assert_eq!(failing(Some(defect)).await, expected, "{defect:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_right_server_passes_every_case() {
    assert_eq!(failing(None).await, BTreeSet::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn json_that_is_written_again() {
    fails_in(
        Defect::Reserialised,
        &[
            "body-bom",
            "body-decimal-1-10",
            "body-empty",
            "body-escaped-slash",
            "body-escaped-unicode",
            "body-half-surrogate",
            "body-id-beyond-2-64",
            "body-key-twice",
            "body-keys-in-other-order",
            "body-newline-at-end",
            "body-not-utf8",
            "body-number-1e3",
            "body-number-1e400",
            "body-number-minus-0",
            "body-pretty-printed",
            "body-white-space-around",
            "body-zero-byte",
            "tampered-body-blank-appended",
            "tampered-body-blank-before",
            "tampered-body-newline-appended",
            "tampered-body-pretty-printed",
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_read_as_text() {
    fails_in(Defect::BodyAsText, &["body-not-utf8"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn verification_skipped_with_a_query() {
    fails_in(
        Defect::QueryUnchecked,
        &[
            "query-added",
            "query-blank-as-plus",
            "query-name-changed",
            "query-no-signature",
            "query-parameter-added",
            "query-parameter-removed",
            "query-reordered",
            "query-stale",
            "query-v1-alone",
            "query-value-changed",
            "query-wrong-secret",
            "query-wrong-signature",
            "signature-in-query",
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_whole_url_decoded() {
    fails_in(
        Defect::WholeUrlDecoded,
        &[
            "query-decoded-once",
            "query-kept-accent",
            "query-kept-ampersand",
            "query-kept-blank",
            "query-kept-hash",
            "query-kept-percent",
            "query-kept-plus",
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_decoded() {
    fails_in(
        Defect::NothingDecoded,
        &[
            "query-all-twelve",
            "query-escape-21",
            "query-escape-24",
            "query-escape-27",
            "query-escape-28",
            "query-escape-29",
            "query-escape-2a",
            "query-escape-2c",
            "query-escape-2f",
            "query-escape-3a",
            "query-escape-3b",
            "query-escape-3f",
            "query-escape-40",
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_signature_accepted() {
    fails_in(
        Defect::MissingSignatureAccepted,
        &[
            "no-headers-of-hubspot",
            "query-no-signature",
            "query-v1-alone",
            "signature-in-query",
            "signature-missing",
            "v1-alone",
            "v1-with-timestamp",
            "v2-alone",
            "v2-with-timestamp",
            "v3-value-in-v1-header",
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prefix_compared() {
    fails_in(
        Defect::PrefixCompared,
        &[
            "signature-cut-to-1",
            "signature-cut-to-10",
            "signature-cut-to-42",
            "signature-empty",
            "v1-beside-empty-v3",
            "v3-without-padding",
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_comparison_that_ignores_case() {
    fails_in(Defect::CaseIgnored, &["signature-swapped-case"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_of_several_headers_taken() {
    fails_in(
        Defect::FirstHeaderTaken,
        &[
            "signature-doubled-same",
            "signature-doubled-wrong-last",
            "timestamp-doubled-other-last",
            "timestamp-doubled-same",
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn x_forwarded_host_trusted() {
    fails_in(Defect::ForwardedHostTrusted, &["forwarded-host-forged", "signed-for-forwarded-host"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fallback_to_v1() {
    fails_in(Defect::V1Fallback, &["v1-beside-empty-v3", "v1-beside-wrong-v3"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn future_timestamps_accepted() {
    fails_in(
        Defect::FutureAccepted,
        &["timestamp-1-year-ahead", "timestamp-10-min-ahead", "timestamp-in-microseconds"],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_freshness_at_all() {
    fails_in(
        Defect::NoFreshness,
        &[
            "query-stale",
            "timestamp-0",
            "timestamp-1-h-old",
            "timestamp-1-year-ahead",
            "timestamp-1-year-old",
            "timestamp-10-min-ahead",
            "timestamp-310-s-old",
            "timestamp-in-microseconds",
            "timestamp-in-seconds",
            "v1-beside-stale-v3",
            "v2-beside-stale-v3",
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn timestamps_read_as_floats() {
    fails_in(
        Defect::FloatTimestamp,
        &["timestamp-nan", "timestamp-with-decimals", "timestamp-with-exponent", "timestamp-with-plus"],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn any_method_taken() {
    fails_in(
        Defect::AnyMethod,
        &[
            "method-delete",
            "method-get",
            "method-head",
            "method-options",
            "method-patch",
            "method-post-in-lower-case",
            "method-put",
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn any_media_type_taken() {
    fails_in(Defect::AnyMediaType, &["content-encoding-gzip", "media-type-form"]).await;
}
