//! `closing-bell send`: makes a signed delivery as HubSpot does and posts it to any URL.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use hubspot_webhook::door::{SIGNATURE_HEADER, SIGNATURE_V3_HEADER, TIMESTAMP_HEADER, TargetUrls};
use hubspot_webhook::event::ObjectType;
use hubspot_webhook::signature::{Secret, SignatureVersion, sign_v1, sign_v2, sign_v3};
use jiff::Timestamp;
use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, StatusCode, redirect};
use serde::Serialize;
use serde_json::json;
use url::Url;

use super::{WrongUsage, print};
use crate::config::{Environment, client_secrets};

/// HubSpot waits this long for the answer to a whole batch.
const TIMEOUT: Duration = Duration::from_secs(5);
/// As much of the answer as is shown, in bytes.
const MAX_ANSWER_BYTES: usize = 16 * 1024;
/// Announces v1 or v2, and v1 beside a v3 signature.
const VERSION_HEADER: &str = "X-HubSpot-Signature-Version";

#[derive(Debug, clap::Args)]
#[command(after_help = "Signs with the newest secret of HUBSPOT_CLIENT_SECRETS and waits 5 seconds, as HubSpot does. \
                        Exit code: 0 for an answer of 2xx, 1 for another or none, 2 for wrong usage or configuration.")]
pub(crate) struct Args {
    /// Where to post; signed exactly as written here
    #[arg(long, value_parser = target_url)]
    url: String,
    /// The record's kind: deal, invoice, payment, company, contact, … or an id such as 0-53 or 2-12345; only events of
    /// the generic types (object.*) carry it
    #[arg(long, value_name = "TYPE", default_value = "deal", value_parser = object_type)]
    object_type: ObjectType,
    /// The record
    #[arg(long, value_name = "ID", required_unless_present = "file")]
    object_id: Option<u64>,
    /// Generic (object.creation, …) or classic (deal.creation, …)
    #[arg(long, value_name = "TYPE", default_value = "object.propertyChange")]
    subscription_type: String,
    /// The property that changed, by its internal name
    #[arg(long, value_name = "NAME")]
    property: Option<String>,
    /// Its new value
    #[arg(long, requires = "property", allow_hyphen_values = true)]
    value: Option<String>,
    /// The HubSpot account
    #[arg(long, value_name = "ID", default_value_t = 62_515)]
    portal_id: u64,
    /// Events in the body, one millisecond apart
    #[arg(long, value_name = "N", default_value_t = 1)]
    count: u16,
    /// Sign and post these bytes as they are, in place of events; `-` is stdin
    #[arg(long, conflicts_with_all = [
        "object_type", "object_id", "subscription_type", "property", "value", "portal_id", "count",
    ])]
    file: Option<PathBuf>,
    /// v1, v2, or v3 with the v1 headers that HubSpot sends along
    #[arg(long, value_name = "VERSION", default_value = "v3")]
    signature_version: SignatureVersion,
    /// The time that a v3 signature covers, epoch milliseconds; now, unless given
    #[arg(long, value_name = "MS", allow_negative_numbers = true)]
    timestamp: Option<i64>,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

/// Signs, posts and prints the answer.
pub(crate) async fn run(args: Args, environment: &Environment, now: Timestamp) -> anyhow::Result<ExitCode> {
    let secrets = client_secrets(environment).await?;
    let newest = secrets.first().context("HUBSPOT_CLIENT_SECRETS holds no secret")?;
    let now_ms = now.as_millisecond();
    let body = match &args.file {
        Some(file) => read(file).with_context(|| WrongUsage(format!("--file {} cannot be read", file.display())))?,
        None => events(&args, now_ms)?,
    };
    let headers = signed(args.signature_version, newest, &args.url, &body, args.timestamp.unwrap_or(now_ms));
    let bytes_sent = body.len();
    let (status, answer) = post(&args.url, headers, body).await?;
    let url = &args.url;
    print(&if args.json {
        json!({
            "url": url,
            "bytes_sent": bytes_sent,
            "status": status.as_u16(),
            "accepted": status.is_success(),
            "answer": answer,
        })
        .to_string()
    } else {
        format!("{status} from {url}\n{}", printable(&answer)).trim_end().to_owned()
    })?;
    match advice(status) {
        None => Ok(ExitCode::SUCCESS),
        Some(advice) => bail!("{url} did not accept the delivery: it answered {status}; {advice}"),
    }
}

async fn post(url: &str, headers: Vec<(&'static str, String)>, body: Vec<u8>) -> anyhow::Result<(StatusCode, String)> {
    let mut client = Client::builder()
        .timeout(TIMEOUT)
        .redirect(redirect::Policy::none())
        .user_agent(concat!("closing-bell/", env!("CARGO_PKG_VERSION")));
    if url.starts_with("http://") {
        // Else it would look for the system's certificates, and fail on a machine that has none.
        client = client.tls_certs_only([]);
    }
    let client = client.build().context("the HTTP client cannot be set up; install the system's CA certificates")?;
    let request = client.post(url).header(CONTENT_TYPE, "application/json").body(body);
    let request = headers.into_iter().fold(request, |request, (name, value)| request.header(name, value));
    let unanswered = |error: reqwest::Error| {
        let sentence = if error.is_timeout() {
            format!(
                "{url} did not answer within {TIMEOUT:?}, HubSpot's own limit; check that its program is not held up"
            )
        } else {
            format!("no answer from {url}; check that its program runs, and the URL's scheme, host and port")
        };
        anyhow::Error::new(error.without_url()).context(sentence)
    };
    let mut response = request.send().await.map_err(unanswered)?;
    let mut answer = Vec::new();
    while answer.len() < MAX_ANSWER_BYTES
        && let Some(chunk) = response.chunk().await.map_err(unanswered)?
    {
        answer.extend_from_slice(&chunk);
    }
    answer.truncate(MAX_ANSWER_BYTES);
    Ok((response.status(), String::from_utf8_lossy(&answer).into_owned()))
}

/// What to look at after an answer that is not 2xx.
fn advice(status: StatusCode) -> Option<&'static str> {
    Some(match status.as_u16() {
        200..=299 => return None,
        300..=399 => "a redirect is not followed: send to where it leads",
        401 | 403 => {
            "check that it knows the newest of HUBSPOT_CLIENT_SECRETS, that its WEBHOOK_URLS holds exactly this URL, \
             and that both clocks are right; its log names the reason"
        }
        404 | 405 => "check the path of the URL",
        413 => "the delivery is larger than it takes",
        _ => "its log should name the cause; HubSpot would try again",
    })
}

/// The signature's headers. HubSpot sends a v3 pair beside the v1 headers and never announces v3 by the version header
/// (hubspot-facts 1.1); v1 or v2 alone are what a door sees that has them switched on.
pub(super) fn signed(
    version: SignatureVersion,
    secret: &Secret,
    url: &str,
    body: &[u8],
    timestamp_ms: i64,
) -> Vec<(&'static str, String)> {
    let (announced, older) = match version {
        SignatureVersion::V2 => (SignatureVersion::V2, sign_v2(secret, "POST", url, body)),
        SignatureVersion::V1 | SignatureVersion::V3 => (SignatureVersion::V1, sign_v1(secret, body)),
    };
    let mut headers = vec![(SIGNATURE_HEADER, older), (VERSION_HEADER, announced.to_string())];
    if version == SignatureVersion::V3 {
        let timestamp = timestamp_ms.to_string();
        headers.push((SIGNATURE_V3_HEADER, sign_v3(secret, "POST", url, body, &timestamp)));
        headers.push((TIMESTAMP_HEADER, timestamp));
    }
    headers
}

/// An event as HubSpot writes it; what only an app's real subscription has is left out.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Event<'a> {
    event_id: u32,
    portal_id: u64,
    occurred_at: i64,
    subscription_type: &'a str,
    attempt_number: u8,
    object_id: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    object_type_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    property_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    property_value: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    change_flag: Option<&'static str>,
    change_source: &'static str,
}

/// A body of events, the last of which happened now.
fn events(args: &Args, now_ms: i64) -> serde_json::Result<Vec<u8>> {
    let (subject, verb) = args.subscription_type.split_once('.').unwrap_or_default();
    // So that the same command run twice tells of different events. HubSpot's own numbers lie below 2^32 too.
    let first_id = fastrand::u32(..);
    let events: Vec<Event<'_>> = (0..args.count)
        .map(|index| Event {
            event_id: first_id.wrapping_add(index.into()),
            portal_id: args.portal_id,
            occurred_at: now_ms - i64::from(args.count - 1 - index),
            subscription_type: &args.subscription_type,
            attempt_number: 0,
            object_id: args.object_id,
            object_type_id: (subject == "object").then(|| args.object_type.type_id()),
            property_name: args.property.as_deref(),
            property_value: args.value.as_deref(),
            change_flag: match verb {
                "creation" => Some("CREATED"),
                "deletion" => Some("DELETED"),
                _ => None,
            },
            change_source: "INTEGRATION",
        })
        .collect();
    serde_json::to_vec(&events)
}

fn read(file: &Path) -> io::Result<Vec<u8>> {
    if file != Path::new("-") {
        return fs::read(file);
    }
    let mut bytes = Vec::new();
    io::stdin().read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Takes what a door could be configured with, as text: a normalised URL would have another signature.
fn target_url(text: &str) -> Result<String, String> {
    TargetUrls::new([text]).map_err(|error| error.to_string())?;
    Url::parse(text).map_err(|error| format!("not a URL: {error}"))?;
    Ok(text.to_owned())
}

fn object_type(text: &str) -> Result<ObjectType, String> {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if text.split_once('-').is_some_and(|(kind, number)| digits(kind) && digits(number)) {
        return Ok(ObjectType::from_type_id(text));
    }
    match ObjectType::from_classic(text) {
        ObjectType::Other(_) => {
            Err("neither a kind such as deal, invoice, payment, company or contact nor an id such as 2-12345"
                .to_owned())
        }
        known => Ok(known),
    }
}

/// The answer without characters that would steer a terminal.
fn printable(answer: &str) -> String {
    answer.chars().map(|c| if c.is_control() && c != '\n' { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_type_is_a_name_or_an_id() {
        for (text, id) in
            [("deal", "0-3"), ("invoice", "0-53"), ("line_item", "0-8"), ("0-101", "0-101"), ("2-9", "2-9")]
        {
            assert_eq!(object_type(text).unwrap().type_id(), id);
        }
        for text in ["", "deals", "2", "2-", "-1", "2-x"] {
            object_type(text).unwrap_err();
        }
    }

    #[test]
    fn every_answer_but_2xx_comes_with_advice() {
        for code in 100..=599 {
            let status = StatusCode::from_u16(code).unwrap();
            assert_eq!(advice(status).is_none(), status.is_success(), "{status}");
        }
    }

    #[test]
    fn an_answer_does_not_steer_the_terminal() {
        assert_eq!(printable("kept\n\x1b[2J\r"), "kept\n\u{fffd}[2J\u{fffd}");
    }
}
