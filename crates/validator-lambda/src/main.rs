//! The Lambda function: reads the environment and the clock, builds the SQS client, and answers gateway events.

use std::time::{Duration, SystemTime};

use aws_config::BehaviorVersion;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use lambda_http::lambda_runtime::{Error, LambdaEvent, run, service_fn};
use lambda_http::request::LambdaRequest;
use validator_lambda::{Config, Door};

#[tokio::main]
async fn main() -> Result<(), Error> {
    tracing_subscriber::fmt().json().with_writer(std::io::stderr).with_max_level(tracing::Level::INFO).init();
    let door = &Door::new(Config::from_env()?, queue().await);
    run(service_fn(async move |event: LambdaEvent<LambdaRequest>| {
        Ok::<_, Error>(door.answer(event.payload, now_ms()?).await)
    }))
    .await
}

/// The SQS client. HubSpot hangs up after 5 seconds, so both attempts together end before 4, the answer included.
async fn queue() -> aws_sdk_sqs::Client {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(1))
        .operation_attempt_timeout(Duration::from_millis(1_700))
        .operation_timeout(Duration::from_millis(3_600))
        .build();
    let config = aws_config::defaults(BehaviorVersion::v2026_01_12())
        .http_client(Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https())
        .timeout_config(timeouts)
        .retry_config(RetryConfig::standard().with_max_attempts(2))
        .load()
        .await;
    aws_sdk_sqs::Client::new(&config)
}

/// Epoch milliseconds UTC.
#[expect(clippy::disallowed_methods, reason = "the one place of this program where the time is read")]
fn now_ms() -> Result<i64, Error> {
    Ok(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_millis().try_into()?)
}
