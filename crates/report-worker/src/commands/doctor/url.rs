//! The way in: the client secrets and the URLs that HubSpot posts to.

use hubspot_webhook::door::{Keys, Request, SIGNATURE_V3_HEADER, TIMESTAMP_HEADER, TargetUrls, admit};
use hubspot_webhook::signature::{Secret, SignatureVersion, sign_v3};
use jiff::Timestamp;
use reqwest::header::CONTENT_TYPE;
use reqwest::tls::TlsInfo;
use reqwest::{Client, RequestBuilder, StatusCode, redirect};
use serde_json::json;
use url::{Host, Url};

use super::super::send::signed;
use super::{Check, PATIENCE, certificate, chain, root};

const SECRETS: &str = "client secrets";
const SIGNATURE: &str = "signature";
const URL: &str = "webhook URL";
const GET: &str = "webhook GET";
const CERTIFICATE: &str = "certificate";
const TEST: &str = "test delivery";

const READ_THE_LOG: &str = "Read the log of the door, or of the proxy before it, which names the cause";

/// The account of test deliveries, which the worker sets aside like any that is not its own.
const TEST_PORTAL: i64 = 999_999_999;

/// Whether what HubSpot signs with each live secret for each URL is admitted by the door's own rules.
pub(super) fn signatures(
    urls: &[String],
    secrets: Option<&[Secret]>,
    keys: Option<&Keys>,
    now: Timestamp,
) -> Vec<Check> {
    let (Some(secrets), Some(keys)) = (secrets, keys) else {
        return [SECRETS, SIGNATURE]
            .map(|name| {
                Check::not_checked(
                    name,
                    "HUBSPOT_CLIENT_SECRETS, HUBSPOT_RETIRED_SECRETS or HUBSPOT_SIGNATURE_VERSIONS is missing or wrong",
                )
            })
            .into();
    };
    let mut checks = vec![match secrets.len() {
        1 => Check::ok(SECRETS, "one is live"),
        live => Check::warning(
            SECRETS,
            format!("{live} are live, as during a rotation: whoever has an older one can still ring"),
            "Move the older ones from HUBSPOT_CLIENT_SECRETS to HUBSPOT_RETIRED_SECRETS, a day after HubSpot began to sign \
             with the new one",
        ),
    }];
    if urls.is_empty() {
        checks.push(Check::not_checked(SIGNATURE, "no URL is known; `--url URL` tells it"));
    }
    checks.extend(urls.iter().map(|url| judge_signature(url, secrets, keys, now)));
    checks
}

fn judge_signature(url: &str, secrets: &[Secret], keys: &Keys, now: Timestamp) -> Check {
    let refused = secrets.iter().find_map(|secret| {
        let timestamp = now.as_millisecond().to_string();
        let signature = sign_v3(secret, "POST", url, b"[]", &timestamp);
        let headers: [(&str, &[u8]); 2] =
            [(SIGNATURE_V3_HEADER, signature.as_bytes()), (TIMESTAMP_HEADER, timestamp.as_bytes())];
        let query = url.split_once('?').map(|(_, query)| query);
        let request = Request { method: "POST", headers: &headers, body: b"[]", queries: query.as_slice() };
        let target = TargetUrls::new([url]).expect("the configuration and the command line take no other");
        admit(&request, keys, &target, now.as_millisecond()).err()
    });
    match refused {
        Some(refusal) => Check::wrong(
            SIGNATURE,
            format!("a delivery to {url} would be refused: {refusal}"),
            format!("Give HubSpot another URL than {url}, without a query, and the same to WEBHOOK_URLS"),
        ),
        // HubSpot's documentation and its own clients decode such a URL differently before they sign it (facts 1.3).
        None if url.contains(['?', '%']) => Check::warning(
            SIGNATURE,
            format!("{url} has a query or an escape, and HubSpot's own programs disagree on how these are signed"),
            "Give HubSpot a URL without a query and without %, and the same to WEBHOOK_URLS",
        ),
        None => Check::ok(SIGNATURE, format!("deliveries to {url} are admitted")),
    }
}

/// Asks each URL as HubSpot and as a stranger would.
pub(super) async fn checks(urls: &[String], secrets: Option<&[Secret]>, ring: bool, now: Timestamp) -> Vec<Check> {
    if urls.is_empty() {
        return [URL, GET, CERTIFICATE, TEST]
            .map(|name| Check::not_checked(name, "no URL is known; `--url URL` tells it"))
            .into();
    }
    let mut checks = Vec::new();
    let mut asking = tokio::task::JoinSet::new();
    for (place, url) in urls.iter().cloned().enumerate() {
        let newest = secrets.and_then(<[Secret]>::first).cloned();
        asking.spawn(async move { (place, ask(&url, newest.as_ref(), ring, now).await) });
    }
    let mut answers = asking.join_all().await;
    answers.sort_by_key(|(place, _)| *place);
    checks.extend(answers.into_iter().flat_map(|(_, checks)| checks));
    checks
}

/// What came of a request: its status and the server's certificate, or why there was no answer.
type Answer = Result<(StatusCode, Option<Vec<u8>>), String>;

async fn ask(url: &str, secret: Option<&Secret>, ring: bool, now: Timestamp) -> Vec<Check> {
    let mut client = Client::builder()
        .timeout(PATIENCE)
        .redirect(redirect::Policy::none())
        .user_agent(concat!("closing-bell/", env!("CARGO_PKG_VERSION")))
        .tls_info(true);
    if url.starts_with("http://") {
        // Else it would look for the system's certificates, and fail on a machine that has none.
        client = client.tls_certs_only([]);
    }
    let client = match client.build() {
        Ok(client) => client,
        Err(error) => {
            let fix = "Install the system's CA certificates (`apt-get install ca-certificates`)";
            return vec![Check::wrong(URL, format!("{url} cannot be asked: {}", chain(error)), fix)];
        }
    };
    let post = || client.post(url).header(CONTENT_TYPE, "application/json");
    let body = test_delivery(now);
    let ringing = async {
        let headers =
            signed(SignatureVersion::V3, secret.filter(|_| ring)?, url, body.as_bytes(), now.as_millisecond());
        let request = headers.into_iter().fold(post(), |request, (name, value)| request.header(name, value));
        Some(answer(request.body(body.clone())).await)
    };
    let (posted, got, rung) = tokio::join!(answer(post().body("[]")), answer(client.get(url)), ringing);
    let certificate = posted.as_ref().ok().and_then(|(_, certificate)| certificate.as_deref());
    vec![
        judge_post(url, &posted),
        judge_get(url, &got),
        judge_certificate(url, certificate, posted.is_ok(), now),
        judge_ringing(url, rung.as_ref(), ring),
    ]
}

async fn answer(request: RequestBuilder) -> Answer {
    let response = request.send().await.map_err(|error| root(&error.without_url()))?;
    let tls = response.extensions().get::<TlsInfo>().and_then(TlsInfo::peer_certificate);
    Ok((response.status(), tls.map(<[u8]>::to_vec)))
}

/// A stranger's delivery: nobody has signed it.
fn judge_post(url: &str, answer: &Answer) -> Check {
    let status = match answer {
        Ok((status, _)) => *status,
        Err(cause) if cause.contains("certificate") => {
            let fix =
                format!("Renew the certificate of {}, for this name and with the chain that belongs to it", host(url));
            return Check::wrong(URL, format!("{url} cannot be trusted: {cause}"), fix);
        }
        Err(cause) => {
            let fix = "Make the URL lead to the door: start it, and look at the host's name, the firewall and the proxy or gateway";
            return Check::wrong(URL, format!("{url} does not answer: {cause}"), fix);
        }
    };
    let path =
        "Give HubSpot and WEBHOOK_URLS the URL whose path leads to the door (that of `local` is /webhooks/hubspot)";
    let told = format!("{url} answered {status} to an unsigned delivery");
    match status.as_u16() {
        401 | 403 => {
            Check::ok(URL, format!("{url} answers, and refuses an unsigned delivery with {}", status.as_u16()))
        }
        200..=299 => Check::wrong(
            URL,
            format!("{told}: whoever answers there does not check signatures"),
            "Make the proxy or gateway pass this URL to Closing Bell and to nothing else",
        ),
        300..=399 | 404 | 405 => Check::wrong(URL, format!("{told}: HubSpot would not get through"), path),
        429 => {
            Check::warning(URL, told, "Raise the rate limit before the door well above HubSpot's 10 requests at once")
        }
        500.. => Check::wrong(URL, told, READ_THE_LOG),
        _ => Check::ok(URL, format!("{told}: it is refused")),
    }
}

fn judge_get(url: &str, answer: &Answer) -> Check {
    match answer {
        Err(_) => Check::not_checked(GET, format!("{url} does not answer")),
        Ok((status, _)) if status.is_success() => Check::warning(
            GET,
            format!("{url} answered {status} to a GET, which the door never does"),
            "Make the proxy or gateway pass this URL to Closing Bell alone, POST and nothing else",
        ),
        Ok((status, _)) => Check::ok(GET, format!("it is refused with {}", status.as_u16())),
    }
}

fn judge_certificate(url: &str, der: Option<&[u8]>, answered: bool, now: Timestamp) -> Check {
    match der {
        Some(der) => certificate::check(CERTIFICATE, &host(url), der, now),
        None if url.starts_with("https:") && !answered => {
            Check::not_checked(CERTIFICATE, format!("no TLS connection to {url} came about"))
        }
        None if url.starts_with("https:") => Check::not_checked(CERTIFICATE, "the TLS connection did not show it"),
        None if is_this_machine(url) => Check::ok(CERTIFICATE, "none is needed for a URL on this machine"),
        None => Check::wrong(
            CERTIFICATE,
            format!("{url} has none, and HubSpot calls only https"),
            "Put a proxy with TLS before the door, and give HubSpot and WEBHOOK_URLS its https URL",
        ),
    }
}

fn judge_ringing(url: &str, answer: Option<&Answer>, ring: bool) -> Check {
    match answer {
        None if ring => Check::not_checked(TEST, "it needs HUBSPOT_CLIENT_SECRETS"),
        None => Check::not_checked(TEST, "`doctor --ring` posts one, signed and of no account"),
        Some(Err(_)) => Check::not_checked(TEST, format!("{url} does not answer")),
        Some(Ok((status, _))) if status.is_success() => {
            Check::ok(TEST, format!("{url} accepted it; the worker sets it aside"))
        }
        Some(Ok((status, _))) if matches!(status.as_u16(), 300..=399 | 404 | 405) => {
            Check::not_checked(TEST, format!("{url} does not lead to the door"))
        }
        Some(Ok((status, _))) if status.is_server_error() => {
            Check::wrong(TEST, format!("{url} answered {status} to it"), READ_THE_LOG)
        }
        Some(Ok((status, _))) => Check::wrong(
            TEST,
            format!("{url} answered {status} to a delivery that is signed with the newest of HUBSPOT_CLIENT_SECRETS"),
            "Give the door the same HUBSPOT_CLIENT_SECRETS as here, and exactly this URL; its log names the reason",
        ),
    }
}

/// An event of no account.
fn test_delivery(now: Timestamp) -> String {
    json!([{
        "eventId": fastrand::u32(..),
        "portalId": TEST_PORTAL,
        "occurredAt": now.as_millisecond(),
        "subscriptionType": "object.creation",
        "attemptNumber": 0,
        "objectTypeId": "0-3",
        "objectId": 1,
        "changeFlag": "CREATED",
        "changeSource": "INTEGRATION",
    }])
    .to_string()
}

fn host(url: &str) -> String {
    Url::parse(url).ok().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_else(|| url.to_owned())
}

fn is_this_machine(url: &str) -> bool {
    match Url::parse(url).as_ref().ok().and_then(Url::host) {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::words;
    use super::*;

    const BELL: &str = "https://bell.example.com/webhooks/hubspot";

    fn secrets(number: usize) -> Vec<Secret> {
        (0..number).map(|index| Secret::new(format!("secret {index}")).unwrap()).collect()
    }

    fn now() -> Timestamp {
        "2026-11-23T08:00:00Z".parse().unwrap()
    }

    #[test]
    fn secrets_and_urls_are_tried_on_the_door() {
        let (one, two) = (secrets(1), secrets(2));
        let keys = Keys::new(two.clone()).unwrap();
        let with_query = format!("{BELL}?a=b");
        let mut checks = signatures(&[BELL.to_owned()], Some(&one), Some(&keys), now());
        checks.extend(signatures(&[with_query], Some(&two), Some(&keys), now()));
        checks.extend(signatures(&[], None, None, now()));
        checks.extend(signatures(&[], Some(&one), Some(&keys), now()));
        // A key that the door does not have.
        checks.push(judge_signature(BELL, &secrets(3), &keys, now()));
        insta::assert_snapshot!(words(&checks), @"
        client secrets  ok           one is live
        signature       ok           deliveries to https://bell.example.com/webhooks/hubspot are admitted
        client secrets  warning      2 are live, as during a rotation: whoever has an older one can still ring
                        └ fix        Move the older ones from HUBSPOT_CLIENT_SECRETS to HUBSPOT_RETIRED_SECRETS, a day after HubSpot began to sign with the new one
        signature       warning      https://bell.example.com/webhooks/hubspot?a=b has a query or an escape, and HubSpot's own programs disagree on how these are signed
                        └ fix        Give HubSpot a URL without a query and without %, and the same to WEBHOOK_URLS
        client secrets  not checked  HUBSPOT_CLIENT_SECRETS, HUBSPOT_RETIRED_SECRETS or HUBSPOT_SIGNATURE_VERSIONS is missing or wrong
        signature       not checked  HUBSPOT_CLIENT_SECRETS, HUBSPOT_RETIRED_SECRETS or HUBSPOT_SIGNATURE_VERSIONS is missing or wrong
        client secrets  ok           one is live
        signature       not checked  no URL is known; `--url URL` tells it
        signature       wrong        a delivery to https://bell.example.com/webhooks/hubspot would be refused: the signature matches none of the secrets and target URLs
                        └ fix        Give HubSpot another URL than https://bell.example.com/webhooks/hubspot, without a query, and the same to WEBHOOK_URLS

        9 checks: 1 wrong, 2 warning, 3 not checked, 3 ok
        ");
    }

    #[test]
    fn what_answers_a_stranger_is_judged() {
        let answer = |status: u16| Ok((StatusCode::from_u16(status).unwrap(), None));
        let mut checks: Vec<Check> =
            [401, 403, 413, 200, 302, 404, 429, 502].map(|it| judge_post(BELL, &answer(it))).into();
        checks.push(judge_post(BELL, &Err("invalid peer certificate: Expired".to_owned())));
        checks.push(judge_post(BELL, &Err("Connection refused".to_owned())));
        checks.extend([answer(405), answer(200), Err(String::new())].map(|it| judge_get(BELL, &it)));
        checks.push(judge_certificate(BELL, None, false, now()));
        checks.push(judge_certificate("http://bell.example.com/", None, true, now()));
        checks.push(judge_certificate("http://127.0.0.1:8080/", None, true, now()));
        checks.extend(
            [answer(204), answer(401), answer(404), answer(503), Err(String::new())]
                .map(|it| judge_ringing(BELL, Some(&it), true)),
        );
        checks.extend([true, false].map(|ring| judge_ringing(BELL, None, ring)));
        insta::assert_snapshot!(words(&checks), @"
        webhook URL     ok           https://bell.example.com/webhooks/hubspot answers, and refuses an unsigned delivery with 401
        webhook URL     ok           https://bell.example.com/webhooks/hubspot answers, and refuses an unsigned delivery with 403
        webhook URL     ok           https://bell.example.com/webhooks/hubspot answered 413 Payload Too Large to an unsigned delivery: it is refused
        webhook URL     wrong        https://bell.example.com/webhooks/hubspot answered 200 OK to an unsigned delivery: whoever answers there does not check signatures
                        └ fix        Make the proxy or gateway pass this URL to Closing Bell and to nothing else
        webhook URL     wrong        https://bell.example.com/webhooks/hubspot answered 302 Found to an unsigned delivery: HubSpot would not get through
                        └ fix        Give HubSpot and WEBHOOK_URLS the URL whose path leads to the door (that of `local` is /webhooks/hubspot)
        webhook URL     wrong        https://bell.example.com/webhooks/hubspot answered 404 Not Found to an unsigned delivery: HubSpot would not get through
                        └ fix        Give HubSpot and WEBHOOK_URLS the URL whose path leads to the door (that of `local` is /webhooks/hubspot)
        webhook URL     warning      https://bell.example.com/webhooks/hubspot answered 429 Too Many Requests to an unsigned delivery
                        └ fix        Raise the rate limit before the door well above HubSpot's 10 requests at once
        webhook URL     wrong        https://bell.example.com/webhooks/hubspot answered 502 Bad Gateway to an unsigned delivery
                        └ fix        Read the log of the door, or of the proxy before it, which names the cause
        webhook URL     wrong        https://bell.example.com/webhooks/hubspot cannot be trusted: invalid peer certificate: Expired
                        └ fix        Renew the certificate of bell.example.com, for this name and with the chain that belongs to it
        webhook URL     wrong        https://bell.example.com/webhooks/hubspot does not answer: Connection refused
                        └ fix        Make the URL lead to the door: start it, and look at the host's name, the firewall and the proxy or gateway
        webhook GET     ok           it is refused with 405
        webhook GET     warning      https://bell.example.com/webhooks/hubspot answered 200 OK to a GET, which the door never does
                        └ fix        Make the proxy or gateway pass this URL to Closing Bell alone, POST and nothing else
        webhook GET     not checked  https://bell.example.com/webhooks/hubspot does not answer
        certificate     not checked  no TLS connection to https://bell.example.com/webhooks/hubspot came about
        certificate     wrong        http://bell.example.com/ has none, and HubSpot calls only https
                        └ fix        Put a proxy with TLS before the door, and give HubSpot and WEBHOOK_URLS its https URL
        certificate     ok           none is needed for a URL on this machine
        test delivery   ok           https://bell.example.com/webhooks/hubspot accepted it; the worker sets it aside
        test delivery   wrong        https://bell.example.com/webhooks/hubspot answered 401 Unauthorized to a delivery that is signed with the newest of HUBSPOT_CLIENT_SECRETS
                        └ fix        Give the door the same HUBSPOT_CLIENT_SECRETS as here, and exactly this URL; its log names the reason
        test delivery   not checked  https://bell.example.com/webhooks/hubspot does not lead to the door
        test delivery   wrong        https://bell.example.com/webhooks/hubspot answered 503 Service Unavailable to it
                        └ fix        Read the log of the door, or of the proxy before it, which names the cause
        test delivery   not checked  https://bell.example.com/webhooks/hubspot does not answer
        test delivery   not checked  it needs HUBSPOT_CLIENT_SECRETS
        test delivery   not checked  `doctor --ring` posts one, signed and of no account

        23 checks: 9 wrong, 2 warning, 6 not checked, 6 ok
        ");
    }
}
