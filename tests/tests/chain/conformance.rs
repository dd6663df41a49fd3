//! The conformance kit at the Lambda, behind both kinds of API Gateway.

use std::collections::BTreeSet;

use end_to_end::failing_cases;

use crate::gateway::{Api, Gateway};
use end_to_end::{Queues, aws_variables};

const SECRET: &str = "secret-of-the-app";

async fn failing(api: Api) -> BTreeSet<String> {
    let (queues, folder) = (Queues::create().await, tempfile::tempdir().unwrap());
    let mut variables = aws_variables();
    variables.extend([("QUEUE_URL", queues.url), ("HUBSPOT_CLIENT_SECRETS", SECRET.to_owned())]);
    let gateway = Gateway::start(api, true, &folder.path().join("lambda.log"), &variables).await;
    failing_cases(&gateway.url(), SECRET).await
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_an_http_api_the_lambda_passes_every_case() {
    assert_eq!(failing(Api::Http).await, BTreeSet::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_rest_api_the_lambda_fails_only_in_what_the_gateway_spoils() {
    // It hands over a query taken apart and decoded: which blank was a `+`, which value stood without its `=`, and in which
    // order the names came, nobody can tell. README.md says to do without a query.
    let query = ["query-plus", "query-blank-as-plus", "query-flag", "query-in-order", "query-reordered"];
    let spoilt = query.map(str::to_owned).into();
    assert_eq!(failing(Api::Rest).await, spoilt);
}
