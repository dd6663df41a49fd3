//! The conformance kit at the Lambda, behind both kinds of API Gateway.

use std::collections::BTreeSet;

use end_to_end::failing_cases;

use crate::gateway::{Api, Gateway};
use crate::sqs::{self, Queues};

const SECRET: &str = "secret-of-the-app";

async fn failing(api: Api) -> BTreeSet<String> {
    let (queues, folder) = (Queues::create().await, tempfile::tempdir().unwrap());
    let mut variables = sqs::variables();
    variables.extend([("QUEUE_URL", queues.url), ("HUBSPOT_CLIENT_SECRETS", SECRET.to_owned())]);
    let gateway = Gateway::start(api, true, &folder.path().join("lambda.log"), &variables).await;
    failing_cases(&gateway.url(), SECRET).await
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_an_http_api_the_lambda_passes_every_case() {
    assert_eq!(failing(Api::Http).await, BTreeSet::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_rest_api_the_lambda_passes_every_case_that_the_gateway_does_not_spoil() {
    let spoilt = [
        // It hands over a body as text.
        "body-not-utf8",
        // It hands over a query taken apart, decoded and without its order; README.md says to do without one.
        "query-empty-value",
        "query-flag",
        "query-in-order",
        "query-kept-blank",
        "query-reordered",
    ];
    let mut failing = failing(Api::Rest).await;
    failing.retain(|name| !spoilt.contains(&name.as_str()));
    assert_eq!(failing, BTreeSet::new());
}
