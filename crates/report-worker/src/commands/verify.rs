//! `closing-bell verify`: what the door says about one signature.

use std::io::{self, IsTerminal, Read};
use std::process::ExitCode;

use anyhow::Context;
use hubspot_webhook::door::{
    Keys, Request, SIGNATURE_HEADER, SIGNATURE_V3_HEADER, TIMESTAMP_HEADER, TargetUrlError, TargetUrls, check,
};
use hubspot_webhook::envelope::MatchedSecret;
use hubspot_webhook::signature::SignatureVersion;
use jiff::Timestamp;
use serde_json::json;

use super::print;
use crate::config::{Environment, client_secrets};

#[derive(Debug, clap::Args)]
#[command(after_help = "Reads the body from stdin and the secrets from HUBSPOT_CLIENT_SECRETS. \
                        Exit code: 0 valid, 1 refused, 2 for wrong usage or configuration.")]
pub(crate) struct Args {
    /// v1, v2 or v3
    #[arg(long, value_name = "VERSION")]
    signature_version: SignatureVersion,
    /// The method of the request
    #[arg(long)]
    method: String,
    /// The URL that was called, query included
    #[arg(long, value_parser = called_url)]
    url: CalledUrl,
    /// The text of X-HubSpot-Request-Timestamp; v1 and v2 do not cover it
    #[arg(long, value_name = "MS", allow_hyphen_values = true)]
    timestamp: Option<String>,
    /// The text of X-HubSpot-Signature-v3, or of X-HubSpot-Signature for v1 and v2
    #[arg(long, allow_hyphen_values = true)]
    signature: String,
    /// The time of receipt, epoch milliseconds; now, unless given
    #[arg(long, value_name = "MS", allow_negative_numbers = true)]
    now: Option<i64>,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

/// A URL as the door sees it: the target that was configured, and the query that came.
#[derive(Debug, Clone)]
struct CalledUrl {
    target: TargetUrls,
    query: Option<String>,
}

/// Asks the door and prints what it says.
pub(crate) async fn run(args: Args, environment: &Environment, now: Timestamp) -> anyhow::Result<ExitCode> {
    let keys = Keys::new(client_secrets(environment).await?)?.with_versions(&[args.signature_version]);
    let mut body = Vec::new();
    // At a terminal nobody has given a body, and waiting for one would look like hanging.
    if !io::stdin().is_terminal() {
        io::stdin().read_to_end(&mut body).context("the body cannot be read from stdin")?;
    }
    let signature = args.signature.as_bytes();
    let headers: Vec<(&str, &[u8])> = match args.signature_version {
        SignatureVersion::V3 => {
            let timestamp = args.timestamp.iter().map(|text| (TIMESTAMP_HEADER, text.as_bytes()));
            [(SIGNATURE_V3_HEADER, signature)].into_iter().chain(timestamp).collect()
        }
        SignatureVersion::V1 | SignatureVersion::V2 => vec![(SIGNATURE_HEADER, signature)],
    };
    let CalledUrl { target, query } = &args.url;
    let query = query.as_deref();
    let request = Request { method: &args.method, headers: &headers, body: &body, queries: query.as_slice() };
    match check(&request, &keys, target, args.now.unwrap_or(now.as_millisecond())) {
        Ok(seal) => {
            let secret = match seal.secret {
                MatchedSecret::Newest => "newest",
                MatchedSecret::Older => "older",
                MatchedSecret::Retired => "retired",
            };
            print(&if args.json {
                json!({ "valid": true, "secret": secret }).to_string()
            } else {
                format!("valid: the {secret} secret matches")
            })?;
            Ok(ExitCode::SUCCESS)
        }
        Err(refusal) => {
            let reason = refusal.reason();
            print(&if args.json {
                json!({ "valid": false, "reason": reason, "detail": refusal.to_string() }).to_string()
            } else {
                format!("{reason}: {refusal}")
            })?;
            Ok(ExitCode::FAILURE)
        }
    }
}

/// The query goes with the request, so that the door judges its characters too.
fn called_url(text: &str) -> Result<CalledUrl, TargetUrlError> {
    let (target, query) = match text.split_once('?') {
        Some((target, query)) => (target, Some(query.to_owned())),
        None => (text, None),
    };
    Ok(CalledUrl { target: TargetUrls::new([target])?, query })
}
