//! AWS Secrets Manager. Region, endpoint and credentials come from where the SDK looks for them.

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::config::http::HttpResponse;
use aws_sdk_secretsmanager::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use secrecy::SecretString;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(5);
/// Three attempts, with the pauses between them and the search for credentials.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(15);

/// Why a secret could not be read. Neither text has anything of its value.
#[derive(Debug, thiserror::Error)]
pub enum SecretsManagerError {
    /// It does not answer, or not now.
    #[error("AWS Secrets Manager cannot be asked for {arn}")]
    Away {
        /// The secret's ARN or name.
        arn: String,
        /// What the SDK says.
        #[source]
        source: Box<aws_sdk_secretsmanager::Error>,
    },
    /// It will not hand it out.
    #[error("AWS Secrets Manager refuses {arn}: {code}")]
    Refused {
        /// The secret's ARN or name.
        arn: String,
        /// The error's code, such as `AccessDeniedException`.
        code: String,
    },
    /// There is no such secret, or it has no value yet: to AWS the same.
    #[error("AWS Secrets Manager has no value for {arn}; paste it there, or correct the ARN")]
    Missing {
        /// The secret's ARN or name.
        arn: String,
    },
    /// It has no text.
    #[error("the secret {arn} in AWS Secrets Manager is not a text")]
    NotText {
        /// The secret's ARN or name.
        arn: String,
    },
}

/// A client of AWS Secrets Manager.
#[derive(Clone, Debug)]
pub struct SecretsManager(Client);

impl SecretsManager {
    /// Prepares the client. Nothing is sent yet.
    pub async fn connect() -> Self {
        let http =
            aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .operation_attempt_timeout(ATTEMPT_TIMEOUT)
            .operation_timeout(OPERATION_TIMEOUT)
            .build();
        let config = aws_config::defaults(BehaviorVersion::v2026_01_12())
            .http_client(http)
            .timeout_config(timeouts)
            .retry_config(RetryConfig::standard().with_max_attempts(3));
        Self::of(&config.load().await)
    }

    /// The Secrets Manager of an AWS that is described already.
    pub fn of(aws: &SdkConfig) -> Self {
        Self(Client::new(aws))
    }

    /// Reads the current text of a secret, without white space around it.
    ///
    /// # Errors
    /// It does not answer within 15 seconds, or hands out no text.
    pub async fn read(&self, arn: &str) -> Result<SecretString, SecretsManagerError> {
        let arn = || arn.to_owned();
        let value = self.0.get_secret_value().secret_id(arn()).send().await.map_err(|error| failed(arn(), error))?;
        let binary = || value.secret_binary().and_then(|bytes| str::from_utf8(bytes.as_ref()).ok());
        let text = value.secret_string().or_else(binary).ok_or_else(|| SecretsManagerError::NotText { arn: arn() })?;
        Ok(SecretString::from(text.trim()))
    }
}

impl SecretsManagerError {
    /// Whether it may pass by itself: nothing is wrong with the configuration.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Away { .. })
    }
}

fn failed<E>(arn: String, error: SdkError<E, HttpResponse>) -> SecretsManagerError
where
    E: ProvideErrorMetadata,
    aws_sdk_secretsmanager::Error: From<SdkError<E, HttpResponse>>,
{
    if let SdkError::ServiceError(service) = &error {
        let code = service.err().code().unwrap_or("an error without a code");
        let passes = code.contains("Throttl") || matches!(service.raw().status().as_u16(), 429 | 500..);
        if code == "ResourceNotFoundException" {
            return SecretsManagerError::Missing { arn };
        }
        if !passes {
            return SecretsManagerError::Refused { arn, code: code.to_owned() };
        }
    }
    SecretsManagerError::Away { arn, source: Box::new(error.into()) }
}
