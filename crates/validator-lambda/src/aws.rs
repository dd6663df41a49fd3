//! The AWS SDK as the door needs it: quick to start, and done before HubSpot hangs up.

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};

use crate::config::Config;

/// The roots of Amazon Trust Services, under which AWS's own endpoints are certified (amazontrust.com/repository; all five
/// are in Mozilla's store, the first expires in 2037). To read the system's 145 costs a cold start more than everything
/// else that the door does.
const AMAZON_ROOTS: &[u8] = include_bytes!("../roots/amazon.pem");

/// Between the two attempts.
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// Region, credentials and endpoint as the SDK finds them; timeouts and trust as the door needs them. HubSpot hangs up
/// after 5 seconds, so both attempts of a call and the pause between them together end after 3.5. No other timer is set, the
/// SDK's watch over stalled streams included, which would wait longer than that: each one costs a call into the kernel.
///
/// # Errors
/// Certificates that the TLS library cannot read.
pub async fn sdk(config: &Config) -> anyhow::Result<SdkConfig> {
    let trusted = config.authorities.as_deref().unwrap_or(AMAZON_ROOTS);
    let trust = TlsContext::builder().with_trust_store(TrustStore::empty().with_pem_certificate(trusted)).build()?;
    let client = Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).tls_context(trust).build_https();
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(1))
        .operation_attempt_timeout(Duration::from_millis(1_700))
        .build();
    let loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
        .http_client(client)
        .timeout_config(timeouts)
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .retry_config(RetryConfig::standard().with_max_attempts(2).with_initial_backoff(LONGEST_PAUSE));
    Ok(loader.load().await)
}
