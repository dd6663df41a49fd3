//! Secrets from AWS Secrets Manager, and their rotation while the door is open.

use crate::support::{ARN, Aws, NOW_MS, Says, ask};
use hubspot_webhook::signature::{Secret, sign_v3};
use serde_json::{Value, json};
use validator_lambda::Door;

const GET: &str = "secretsmanager.GetSecretValue";
const MISSING: &str =
    r#"{"__type":"ResourceNotFoundException","Message":"Secrets Manager can't find the specified secret."}"#;
const IN_SECRETS_MANAGER: &[(&str, &str)] = &[("HUBSPOT_CLIENT_SECRETS", ""), ("HUBSPOT_CLIENT_SECRETS_ARN", ARN)];
const MINUTE_MS: i64 = 60_000;

/// A delivery that is signed with this secret at this time.
fn delivery(secret: &str, now_ms: i64) -> Value {
    let mut event: Value = serde_json::from_str(include_str!("../../../../tests/payloads/gateway/rest_v1.json"))
        .expect("a recorded event");
    let url = "https://k3x9qw71zb.execute-api.eu-central-1.amazonaws.com/prod/webhooks/hubspot";
    let body = event["body"].as_str().expect("a body").as_bytes();
    let timestamp = now_ms.to_string();
    let signature = sign_v3(&Secret::new(secret).expect("it is not empty"), "POST", url, body, &timestamp);
    event["multiValueHeaders"]["X-HubSpot-Signature-v3"] = json!([signature]);
    event["multiValueHeaders"]["X-HubSpot-Request-Timestamp"] = json!([timestamp]);
    event
}

/// Status, reason and secret for a delivery.
async fn told(door: &Door, secret: &str, now_ms: i64) -> (i64, String) {
    let seen = ask(door, delivery(secret, now_ms), now_ms).await;
    let secret = seen.record["secret"].as_str().unwrap_or_else(|| seen.reason().1).to_owned();
    (seen.status, secret)
}

fn is(status: i64, secret: &str) -> (i64, String) {
    (status, secret.to_owned())
}

#[tokio::test]
async fn a_rotation_needs_no_restart() {
    let secrets = [Says::Secret("first"), Says::Secret(r#"{"client_secret":"second,first"}"#), Says::Secret("second")];
    let aws = Aws::start(&[Says::Confirmed], &secrets);
    let door = aws.door(IN_SECRETS_MANAGER).await;
    assert_eq!(aws.requests(GET), [json!({ "SecretId": ARN })]);
    assert_eq!(told(&door, "first", NOW_MS).await, is(200, "newest"));
    // Just read: a stranger cannot make the door ask again and again.
    assert_eq!(told(&door, "second", NOW_MS + 9_999).await, is(401, "signature_mismatch"));
    assert_eq!(aws.requests(GET).len(), 1);
    assert_eq!(told(&door, "second", NOW_MS + 10_000).await, is(200, "newest"));
    assert_eq!(told(&door, "first", NOW_MS + 10_001).await, is(200, "older"));
    assert_eq!(told(&door, "stranger", NOW_MS + 19_999).await, is(401, "signature_mismatch"));
    assert_eq!(aws.requests(GET).len(), 2);
    assert_eq!(told(&door, "stranger", NOW_MS + 20_000).await, is(401, "signature_mismatch"));
    assert_eq!(aws.requests(GET).len(), 3);
    assert_eq!(told(&door, "first", NOW_MS + 20_001).await, is(401, "signature_mismatch"));
    assert_eq!(told(&door, "second", NOW_MS + 20_002).await, is(200, "newest"));
}

#[tokio::test]
async fn what_works_is_read_again_beside_a_delivery() {
    let aws = Aws::start(&[Says::Confirmed], &[Says::Secret("first"), Says::Secret("second,first")]);
    let door = aws.door(IN_SECRETS_MANAGER).await;
    assert_eq!(told(&door, "first", NOW_MS + 5 * MINUTE_MS - 1).await, is(200, "newest"));
    assert_eq!(aws.requests(GET).len(), 1);
    // It is done when the answer is given, since the process freezes then; the next delivery is judged by what came.
    assert_eq!(told(&door, "first", NOW_MS + 5 * MINUTE_MS).await, is(200, "newest"));
    assert_eq!(aws.requests(GET).len(), 2);
    assert_eq!(told(&door, "first", NOW_MS + 5 * MINUTE_MS + 1).await, is(200, "older"));
    assert_eq!(aws.requests(GET).len(), 2);
}

#[tokio::test]
async fn after_a_quiet_time_the_first_delivery_with_a_new_secret_is_taken() {
    let aws = Aws::start(&[Says::Confirmed], &[Says::Secret("first"), Says::Secret("second")]);
    let door = aws.door(IN_SECRETS_MANAGER).await;
    assert_eq!(told(&door, "second", NOW_MS + 60 * MINUTE_MS).await, is(200, "newest"));
    assert_eq!(aws.requests(GET).len(), 2);
}

#[tokio::test]
async fn while_secrets_manager_is_away_the_last_known_ones_stay() {
    for away in
        [Says::Nothing, Says::Answer(500, "{}"), Says::Answer(400, MISSING), Says::Secret("{}"), Says::Secret("")]
    {
        let aws = Aws::start(&[Says::Confirmed], &[Says::Secret("first"), away.clone(), away]);
        let door = aws.door(IN_SECRETS_MANAGER).await;
        let at = NOW_MS + 10_000;
        let mismatch = ask(&door, delivery("second", at), at).await;
        assert_eq!(mismatch.reason(), (401, "signature_mismatch"));
        let problem = mismatch.record["secrets_problem"].as_str().expect("the line says why");
        assert!(problem.contains("AWS Secrets Manager"), "{problem}");
        assert_eq!(mismatch.record["SecretsStale"], 1);
        let known = ask(&door, delivery("first", at), at + 1).await;
        assert_eq!((known.status, known.record["SecretsStale"].as_i64()), (200, Some(1)));
    }
}

#[tokio::test]
async fn without_a_secret_the_door_stays_shut() {
    for (says, problem) in [
        (Says::Nothing, "AWS Secrets Manager cannot be asked"),
        (Says::Answer(400, MISSING), "ResourceNotFoundException"),
        (Says::Answer(200, "{}"), "is not a text"),
        (Says::Secret(""), "there is no client secret"),
        (Says::Secret("{\"client_secret\":\"hidden"), "begins like JSON"),
    ] {
        let aws = Aws::start(&[], &[says]);
        let error = format!("{:#}", aws.try_door(IN_SECRETS_MANAGER).await.unwrap_err());
        assert!(error.starts_with("the door cannot start: HUBSPOT_CLIENT_SECRETS_ARN: "), "{error}");
        assert!(error.contains(problem) && !error.contains("hidden"), "{error}");
    }
}
