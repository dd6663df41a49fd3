//! Secrets that change, in a Secrets Manager that is faked at the socket.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region};
use aws_sdk_secretsmanager::config::Credentials;
use axum::Router;
use axum::http::StatusCode;
use hubspot_webhook::door::{Keys, SIGNATURE_V3_HEADER, TIMESTAMP_HEADER, TargetUrls};
use hubspot_webhook::signature::{Secret, sign_v3};
use report_worker::endpoint::{self, Endpoint};
use report_worker::queue::{Embedded, EmbeddedSettings, Queue};
use report_worker::secrets::{Part, Renewal, Renewed, SecretsManager};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

const ARN: &str = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:bell-AbCdEf";

/// Answers with the next of these, and counts the questions.
#[derive(Clone)]
struct Fake(Arc<Mutex<(VecDeque<Answer>, usize)>>);

type Answer = (StatusCode, &'static str);

const fn secret(text: &'static str) -> Answer {
    (StatusCode::OK, text)
}

impl Fake {
    async fn start(answers: &[Answer]) -> (Self, SecretsManager) {
        let fake = Self(Arc::new(Mutex::new((answers.iter().copied().collect(), 0))));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let answering = fake.clone();
        let router = Router::new().fallback(async move || answering.answer());
        tokio::spawn(async move { axum::serve(listener, router).await });
        let aws = aws_config::defaults(BehaviorVersion::v2026_01_12())
            .region(Region::new("eu-central-1"))
            .endpoint_url(url)
            .credentials_provider(Credentials::new("id", "key", None, None, "test"))
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .timeout_config(TimeoutConfig::builder().operation_attempt_timeout(Duration::from_secs(60)).build())
            .retry_config(RetryConfig::disabled());
        (fake, SecretsManager::of(&aws.load().await))
    }

    fn answer(&self) -> (StatusCode, String) {
        let mut state = self.0.lock().unwrap();
        state.1 += 1;
        let (status, text) = state.0.pop_front().expect("nobody asks so often");
        let body = if status.is_success() { json!({ "SecretString": text }) } else { json!({ "__type": text }) };
        (status, body.to_string())
    }

    fn asked(&self) -> usize {
        self.0.lock().unwrap().1
    }
}

fn upper(known: &String, variable: &'static str, text: &str) -> Result<String, String> {
    assert_eq!(variable, "SMTP_URL");
    if text == "unusable" { Err("it is unusable".to_owned()) } else { Ok(format!("{known}, {}", text.to_uppercase())) }
}

fn renewed(manager: SecretsManager, texts: &[&str]) -> Renewed<String> {
    let part = |text: &&str| Part {
        variable: "SMTP_URL",
        arn: ARN.to_owned(),
        text: SecretString::from(*text),
        is_needed: true,
    };
    Renewed::from_parts("FIRST".to_owned(), manager, texts.iter().map(part).collect(), upper)
}

/// What comes of a refusal of what is known now.
async fn after_refusal(renewed: &Renewed<String>) -> Result<Option<String>, ()> {
    match renewed.renew(&renewed.now()).await {
        Renewal::Changed(value) => Ok(Some(value.to_string())),
        Renewal::Same => Ok(None),
        Renewal::Unknown => Err(()),
    }
}

#[tokio::test]
async fn a_refused_value_is_read_again_and_clones_share_the_new_one() {
    let (fake, manager) = Fake::start(&[secret("second\n")]).await;
    let renewed = renewed(manager, &["first"]);
    let (clone, refused) = (renewed.clone(), renewed.now());
    assert_eq!(after_refusal(&renewed).await, Ok(Some("FIRST, SECOND".to_owned())));
    assert_eq!(*clone.now(), "FIRST, SECOND");
    assert!(matches!(clone.renew(&refused).await, Renewal::Changed(_)), "an old refusal is no reason to ask again");
    assert_eq!(fake.asked(), 1);
}

#[tokio::test]
async fn it_is_asked_once_however_many_are_refused() {
    let (fake, manager) = Fake::start(&[secret("first")]).await;
    let renewed = renewed(manager, &["first"]);
    assert_eq!(after_refusal(&renewed).await, Ok(None), "it is the one that Secrets Manager has");
    for _ in 0..100 {
        assert_eq!(after_refusal(&renewed).await, Err(()), "a moment later nobody knows");
    }
    assert_eq!(fake.asked(), 1);
}

#[tokio::test]
async fn the_last_known_value_stays_while_there_is_no_other_that_can_be_used() {
    for answer in [
        (StatusCode::INTERNAL_SERVER_ERROR, "InternalServiceError"),
        (StatusCode::BAD_REQUEST, "AccessDeniedException"),
        secret("unusable"),
    ] {
        let (_, manager) = Fake::start(&[answer]).await;
        let renewed = renewed(manager, &["first"]);
        assert_eq!(after_refusal(&renewed).await, Err(()));
        assert_eq!(*renewed.now(), "FIRST");
    }
}

#[tokio::test]
async fn each_part_is_read_and_those_that_have_changed_count() {
    let (_, manager) = Fake::start(&[(StatusCode::BAD_REQUEST, "AccessDeniedException"), secret("second")]).await;
    let renewed = renewed(manager, &["first", "first"]);
    assert_eq!(after_refusal(&renewed).await, Ok(Some("FIRST, SECOND".to_owned())));
}

#[tokio::test]
async fn a_plain_value_is_never_another() {
    let renewed = Renewed::from("plain".to_owned());
    assert_eq!(after_refusal(&renewed).await, Ok(None));
    assert!(!renewed.is_renewable());
}

#[tokio::test]
async fn only_a_reading_makes_a_value_young_again() {
    let away = (StatusCode::INTERNAL_SERVER_ERROR, "InternalServiceError");
    let (_, manager) = Fake::start(&[away]).await;
    let renewed = renewed(manager, &["first"]);
    assert!(renewed.is_older_than(Duration::ZERO) && !renewed.is_older_than(Duration::from_secs(600)));
    assert!(!Renewed::from(()).is_older_than(Duration::ZERO), "a plain value has no age");
}

#[tokio::test]
async fn the_endpoint_takes_a_new_secret_and_a_stranger_does_not_make_it_ask_again() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (fake, manager) = Fake::start(&[secret("after")]).await;
    let part = Part {
        variable: "HUBSPOT_CLIENT_SECRETS",
        arn: ARN.to_owned(),
        text: SecretString::from("before"),
        is_needed: true,
    };
    let keys = Keys::new(Secret::list("before").unwrap()).unwrap();
    let keys = Renewed::from_parts(keys, manager, vec![part], |keys, _, text| {
        Ok(keys.rotated(Secret::list(text).unwrap()).unwrap())
    });
    let folder = tempfile::tempdir().unwrap();
    let queue = Embedded::open(folder.path().join("queue.sqlite"), EmbeddedSettings::default()).await.unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/webhooks/hubspot", listener.local_addr().unwrap());
    let clock = || jiff::Timestamp::from_second(1_795_000_000).unwrap();
    let urls = TargetUrls::new([&*url]).unwrap();
    let router = endpoint::router(Endpoint { keys, urls, queue: Queue::Embedded(queue), clock });
    tokio::spawn(async move { axum::serve(listener, router).await });
    let client = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
    let mut statuses = Vec::new();
    for secret in ["before", "after", "before", "stranger", "after"] {
        let signature = sign_v3(&Secret::new(secret).unwrap(), "POST", &url, b"[]", "1795000000000");
        let request =
            client.post(&url).header(SIGNATURE_V3_HEADER, signature).header(TIMESTAMP_HEADER, "1795000000000");
        statuses.push(request.body("[]").send().await.unwrap().status().as_u16());
    }
    assert_eq!(statuses, [200, 200, 401, 401, 200]);
    assert_eq!(fake.asked(), 1);
}

#[tokio::test]
async fn what_secrets_manager_says_is_told_apart() {
    let answers = [
        (StatusCode::INTERNAL_SERVER_ERROR, "InternalServiceError"),
        (StatusCode::BAD_REQUEST, "ThrottlingException"),
        (StatusCode::BAD_GATEWAY, ""),
        (StatusCode::BAD_REQUEST, "AccessDeniedException"),
        (StatusCode::BAD_REQUEST, "ResourceNotFoundException"),
        secret("  text\n"),
    ];
    let (_, manager) = Fake::start(&answers).await;
    for _ in 0..3 {
        let error = manager.read(ARN).await.unwrap_err();
        assert!(error.is_transient(), "{error:?}");
        assert_eq!(error.to_string(), format!("AWS Secrets Manager cannot be asked for {ARN}"));
    }
    let error = manager.read(ARN).await.unwrap_err();
    assert!(!error.is_transient());
    assert_eq!(error.to_string(), format!("AWS Secrets Manager refuses {ARN}: AccessDeniedException"));
    let error = manager.read(ARN).await.unwrap_err();
    assert!(!error.is_transient());
    let told = "; paste it there, or correct the ARN";
    assert_eq!(error.to_string(), format!("AWS Secrets Manager has no value for {ARN}{told}"));
    assert_eq!(manager.read(ARN).await.unwrap().expose_secret(), "text");
}

#[tokio::test]
async fn what_is_not_needed_may_have_no_value() {
    let none = (StatusCode::BAD_REQUEST, "ResourceNotFoundException");
    let (_, manager) = Fake::start(&[none, none, none]).await;
    assert!(Part::read(&manager, "SMTP_URL", ARN.to_owned(), true).await.is_err());
    let part = Part::read(&manager, "SMTP_URL", ARN.to_owned(), false).await.unwrap();
    assert_eq!(part.text.expose_secret(), "");
    let renewed = Renewed::from_parts("nothing".to_owned(), manager, vec![part], upper);
    assert!(matches!(renewed.renew(&renewed.now()).await, Renewal::Same), "it still has none, and that is known");
}
