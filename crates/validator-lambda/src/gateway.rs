//! API Gateway's events, as the request that HubSpot made.
//!
//! HubSpot signs the URL that it called. Where `WEBHOOK_URLS` does not name it, it is rebuilt from what the gateway itself
//! knows (`requestContext`), never from `Host` or `X-Forwarded-*`, which the caller writes:
//!
//! | shape | domain | path | query |
//! | --- | --- | --- | --- |
//! | REST API, any stage | `requestContext.domainName` | `requestContext.path`: stage and base path are in it as called, escapes too | in decoded parts: see below |
//! | HTTP API, payload 2.0, `$default` | same | `requestContext.http.path`, decoded by the gateway, so escaped again | `rawQueryString`, as called |
//! | the same, named stage | same | the same; the stage is in it, as called | same |
//! | the same, named stage, custom domain | same | the stage is in it although nobody called it, so both are tried | same |
//! | the same, custom domain with an API mapping | same | the mapping is left out: `WEBHOOK_URLS` | same |
//! | HTTP API, payload 1.0 | same | `path` has the mapping; `requestContext.path` is tried as well | as a REST API |
//! | a CDN in front of any of them | the gateway's own | what the CDN asked for: `WEBHOOK_URLS` | same |
//!
//! A REST API takes the query apart, decodes it, and promises no order. Here each part is escaped as RFC 3986 (2.3) has it;
//! how the 12 characters of HubSpot's table were written does not matter to a v3 signature. Of up to [`MAX_PERMUTED`] parts
//! every order is a candidate and the signature decides. More parts, a space that was sent as `+`, and a name without `=`
//! need `WEBHOOK_URLS` with the query in it.
//!
//! A body is the text of the event, or base64 of its bytes: an HTTP API decides by the content type, a REST API by its
//! `binaryMediaTypes`, without which bytes that are not UTF-8 arrive replaced and no signature matches.
//!
//! Sources: "Create AWS Lambda proxy integrations for HTTP APIs" (payloads 1.0 and 2.0, what `rawPath` leaves out, headers
//! joined by commas) and "Content type conversions" in the API Gateway Developer Guide; events recorded by others: gist
//! GREsau/444c7d4d0bb9e8c82dd1a585931028bd and localstack #12296 (paths of REST APIs), powertools-lambda-python #621 and
//! serverless-express #465 (stages of HTTP APIs), middleapi/standard-server #93 (which paths are decoded),
//! aws-lambda-rust-runtime #543 and ministack #1035 (which queries), ministack #766 and #767 (which bodies are base64).
//!
//! The event is read here and not by `aws_lambda_events`, which reads the query and the headers into hash maps (the order is
//! another in each run, and of a header in two cases of its name one is lost), refuses the whole event for one character in
//! a header that is none of ours, and panics on base64 that is none and on a query parameter without a value.

use std::collections::BTreeSet;
use std::fmt::Write;

use data_encoding::BASE64;
use serde::de::{Deserialize, Deserializer};

use crate::json::Json;

/// So many query parameters are tried in every order: 4 parts have 24 orders.
const MAX_PERMUTED: usize = 4;
/// The largest body for which they are, in bytes: twice what HubSpot's largest batches of finance events have.
const MAX_PERMUTED_BODY_BYTES: usize = 128 * 1024;
/// What RFC 3986 (2.3) never escapes, beside letters and digits.
const UNRESERVED: &str = "-._~";
/// What a path holds literally, beside letters and digits: RFC 3986 (3.3).
const PATH_LITERALS: &str = "-._~!$&'()*+,;=:@/";

/// What the Lambda runtime hands over. Reading it succeeds whatever it is, so that everything gets an answer and a line in
/// the log.
#[derive(Debug)]
pub struct Event(Option<Call>);

impl Event {
    /// The request in it; none if the event is from no REST API and no HTTP API.
    pub(crate) fn into_call(self) -> Option<Call> {
        self.0
    }
}

impl<'de> Deserialize<'de> for Event {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(Call::read(Json::deserialize(deserializer)?)))
    }
}

/// One request as the gateway received it.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) method: String,
    /// The URLs, without the query, that HubSpot may have called by the gateway's own account.
    pub(crate) urls: Vec<String>,
    /// The spellings that the query may have had; none if there was no query.
    pub(crate) queries: Vec<String>,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// What the gateway kept to itself, for whoever looks into the log for why no signature matches.
    pub(crate) hint: Option<&'static str>,
}

impl Call {
    /// What the event tells; none if it is from no REST API and no HTTP API.
    fn read(mut event: Json<'_>) -> Option<Self> {
        let mut context = event.take("requestContext");
        // Only events with payload 2.0 have it, and the method in the context only those with payload 1.0.
        let mut http = context.take("http");
        let (version, path) = (event.take("version").text(), event.take("path").text());
        let (method, paths, parts, headers) = match (http.take("method").text(), context.take("httpMethod").text()) {
            (Some(method), _) => {
                let path = http.take("path").text().or_else(|| event.take("rawPath").text());
                (method, [path, None], None, event.take("headers").texts())
            }
            (None, Some(_)) => {
                let parts = either(&mut event, "multiValueQueryStringParameters", "queryStringParameters");
                let headers = either(&mut event, "multiValueHeaders", "headers");
                // A REST API's own `path` lacks the stage.
                let mapped = path.filter(|_| version.is_some());
                (event.take("httpMethod").text()?, [context.take("path").text(), mapped], Some(parts), headers)
            }
            (None, None) => return None,
        };
        let (api_id, domain_name) = (context.take("apiId").text(), context.take("domainName").text());
        let own_domain = api_id
            .zip(domain_name.as_ref())
            .is_some_and(|(api, domain)| domain.strip_prefix(api.as_str()).is_some_and(|rest| rest.starts_with('.')));
        let mut paths: Vec<String> = paths.into_iter().flatten().collect();
        if version.is_some() {
            paths = paths.iter().map(|path| escaped(path, PATH_LITERALS)).collect();
            if let Some(stage) = context.take("stage").text().filter(|_| !own_domain) {
                let rest = |path: &String| path.strip_prefix('/')?.strip_prefix(stage.as_str()).map(str::to_owned);
                let unstaged: Vec<_> = paths.iter().filter_map(rest).filter(|rest| rest.starts_with('/')).collect();
                paths.extend(unstaged);
            }
        }
        let mut urls = Vec::new();
        for url in domain_name.iter().flat_map(|domain| paths.iter().map(move |path| format!("https://{domain}{path}")))
        {
            if !urls.contains(&url) {
                urls.push(url);
            }
        }
        let encoded = event.take("isBase64Encoded").flag().unwrap_or_default();
        let text = event.take("body").text().unwrap_or_default();
        let hint = if parts
            .as_ref()
            .is_some_and(|parts| parts.len() > MAX_PERMUTED || parts.len() > 1 && text.len() > MAX_PERMUTED_BODY_BYTES)
        {
            Some("this API tells no order of so many query parameters: put the URL with its query into WEBHOOK_URLS")
        } else if parts.is_none() && !own_domain {
            Some("an HTTP API does not tell the API mapping of a custom domain: put the URL into WEBHOOK_URLS")
        } else if !encoded && text.contains(char::REPLACEMENT_CHARACTER) {
            Some("the body came as text and was not UTF-8: set the API's binaryMediaTypes to */*")
        } else {
            None
        };
        let queries = match parts {
            Some(parts) => spellings(&parts, text.len()),
            None => event.take("rawQueryString").text().into_iter().filter(|query| !query.is_empty()).collect(),
        };
        let body = if encoded { BASE64.decode(text.as_bytes()).ok()? } else { text.into_bytes() };
        Some(Self { method, urls, queries, headers, body, hint })
    }
}

/// The query strings that these parameters may have come from, the one in their own order first.
/// The body is hashed for each, so with a large one only their own order is tried: strangers ask too.
fn spellings(parameters: &[(String, String)], body_bytes: usize) -> Vec<String> {
    let part =
        |(name, value): &(String, String)| format!("{}={}", escaped(name, UNRESERVED), escaped(value, UNRESERVED));
    let parts: Vec<String> = parameters.iter().map(part).collect();
    match parts.len() {
        0 => Vec::new(),
        1..=MAX_PERMUTED if body_bytes <= MAX_PERMUTED_BODY_BYTES => {
            let mut seen = BTreeSet::new();
            let orders = orders(&parts).into_iter().map(|order| order.join("&"));
            orders.filter(|order| seen.insert(order.clone())).collect()
        }
        _ => vec![parts.join("&")],
    }
}

/// Every order of the parts, their own first.
fn orders(parts: &[String]) -> Vec<Vec<&str>> {
    parts.iter().fold(vec![Vec::new()], |orders, part| {
        let places = orders.iter().flat_map(|order| (0..=order.len()).rev().map(move |at| (order, at)));
        places.map(|(order, at)| [&order[..at], &[part.as_str()], &order[at..]].concat()).collect()
    })
}

/// Percent-encodes everything but letters, digits and `literals`: RFC 3986 (2.1).
fn escaped(text: &str, literals: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut escaped, byte| {
        if byte.is_ascii_alphanumeric() || literals.as_bytes().contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            write!(escaped, "%{byte:02X}").expect("a String takes everything");
        }
        escaped
    })
}

/// The texts of the member with every value, else of the one with one value a name.
fn either(event: &mut Json<'_>, several: &str, single: &str) -> Vec<(String, String)> {
    let texts = event.take(several).texts();
    if texts.is_empty() { event.take(single).texts() } else { texts }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(parameters: &[(&str, &str)]) -> Vec<(String, String)> {
        parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_query_is_put_together_in_every_order() {
        assert_eq!(spellings(&[], 0), [""; 0]);
        assert_eq!(
            spellings(&pairs(&[("q", "a b+c&ü=/~"), ("", "")]), 0),
            ["q=a%20b%2Bc%26%C3%BC%3D%2F~&=", "=&q=a%20b%2Bc%26%C3%BC%3D%2F~"]
        );
        let four = spellings(&pairs(&[("a", "1"), ("b", "2"), ("a", "3"), ("d", "4")]), 0);
        assert_eq!((four.len(), four[0].as_str()), (24, "a=1&b=2&a=3&d=4"));
        let mut different = four.clone();
        different.sort();
        different.dedup();
        assert_eq!(different.len(), 24);
        let five = pairs(&[("e", "1"), ("d", "2"), ("c", "3"), ("b", "4"), ("a", "5")]);
        assert_eq!(spellings(&five, 0), ["e=1&d=2&c=3&b=4&a=5"]);
        let alike = pairs(&[("a", ""), ("a", ""), ("b", "")]);
        assert_eq!(spellings(&alike, MAX_PERMUTED_BODY_BYTES), ["a=&a=&b=", "a=&b=&a=", "b=&a=&a="]);
        assert_eq!(spellings(&alike, MAX_PERMUTED_BODY_BYTES + 1), ["a=&a=&b="]);
    }
}
