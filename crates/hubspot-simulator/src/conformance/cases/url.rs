//! Query, method and URL: all of them are signed.

use super::super::Case;
use super::super::delivery::Change::{
    Header, Method, Query, SentQuery, SignedMethod, SignedUrl, SignedWith, Stamp, V1, Without,
};
use super::timestamp::LONG_AGO;
use super::{accept, refuse};
use hubspot_webhook::door::{SIGNATURE_V3_HEADER, TIMESTAMP_HEADER};

pub(super) const FORGED_HOST: &str = "forged.example";

/// A URL's scheme, authority and path; the path may be empty.
fn parts(url: &str) -> (&str, &str, &str) {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    (scheme, authority, path)
}

pub(super) fn over_http(url: &str) -> String {
    let (_, authority, path) = parts(url);
    format!("http://{authority}{path}")
}

pub(super) fn over_https(url: &str) -> String {
    let (_, authority, path) = parts(url);
    format!("https://{authority}{path}")
}

pub(super) fn forged_host(url: &str) -> String {
    let (scheme, _, path) = parts(url);
    format!("{scheme}://{FORGED_HOST}{path}")
}

pub(super) fn forged_path(url: &str) -> String {
    let (scheme, authority, _) = parts(url);
    format!("{scheme}://{authority}/forged")
}

fn other_slash(url: &str) -> String {
    match url.strip_suffix('/') {
        Some(without) if !parts(url).2.trim_matches('/').is_empty() => without.to_owned(),
        _ => format!("{url}/"),
    }
}

fn upper_case_path(url: &str) -> String {
    let (scheme, authority, path) = parts(url);
    format!("{scheme}://{authority}{}", path.to_uppercase())
}

#[rustfmt::skip]
pub(super) fn method() -> Vec<Case> {
    let mut cases: Vec<_> = ["GET", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"]
        .map(|method| refuse(format!("method-{}", method.to_lowercase()), "HubSpot posts, though this is rightly signed", [Method(method)]))
        .into();
    cases.push(refuse("method-post-in-lower-case", "methods have cases (RFC 9110)", [Method("post")]));
    cases.push(refuse("method-signed-as-get", "the signature covers the method", [SignedMethod("GET")]));
    cases.push(refuse("method-signed-in-lower-case", "the signature covers the method", [SignedMethod("post")]));
    cases.push(refuse("method-sent-as-put", "the signature covers the method", [Method("PUT"), SignedMethod("POST")]));
    cases
}

#[rustfmt::skip]
pub(super) fn other_url() -> Vec<Case> {
    let covered = "the signature covers the URL";
    vec![
        refuse("url-http-for-https", covered, [SignedUrl(over_http)]),
        refuse("url-https-for-http", covered, [SignedUrl(over_https)]),
        refuse("url-other-host", covered, [SignedUrl(forged_host)]),
        refuse("url-other-path", covered, [SignedUrl(forged_path)]),
        refuse("url-path-longer", covered, [SignedUrl(|url| format!("{}/more", url.trim_end_matches('/')))]),
        refuse("url-trailing-slash", covered, [SignedUrl(other_slash)]),
        refuse("url-path-upper-case", covered, [SignedUrl(upper_case_path)]),
        refuse("url-path-only", "the URL is signed with scheme and host", [SignedUrl(|url| parts(url).2.to_owned())]),
        refuse("url-nothing", "the URL is signed", [SignedUrl(|_| String::new())]),
    ]
}

/// HubSpot's table of escapes that are decoded before signing, and the first digits of others, which stay. HubSpot writes
/// them in capitals and says nothing of `%3a`: a door may take it for `%3A` (RFC 3986, 2.1) or for none of the table, so
/// no case asks. Nor is there a case with the escapes of the table signed undecoded, as HubSpot's clients do.
#[rustfmt::skip]
const ESCAPES: [&str; 12] = ["3A", "2F", "3F", "40", "21", "24", "27", "28", "29", "2A", "2C", "3B"];

#[rustfmt::skip]
pub(super) fn query() -> Vec<Case> {
    let query = |text: &str| Query(text.to_owned());
    let pair = "source=hubspot&attempt=1";
    let kept = "not in HubSpot's table: signed as it is";
    let covered = "the signature covers the query";
    let mut cases = vec![
        accept("query-plain", "HubSpot signs the URL it calls, with its query", [query("source=hubspot")]),
        accept("query-in-order", "parameters are signed in the order they come", [query("z=1&a=2&m=3&b=4&y=5")]),
        accept("query-same-name-twice", "both are signed", [query("id=2&id=1")]),
        accept("query-flag", "a name without a value is signed without =", [query("flag")]),
        accept("query-empty-value", "and one with = is signed with it", [query("flag=&x=1")]),
        accept("query-plus", "+ is no blank and stays", [query("v=a+b")]),
        accept("query-literal-signs", "what needs no escape is signed as it is", [query("v=a:b/c?d@e!$'()*,;f")]),
        accept("query-all-twelve", "HubSpot decodes twelve escapes and signs that", [query("v=%3A%2F%3F%40%21%24%27%28%29%2A%2C%3B")]),
        accept("query-kept-blank", kept, [query("v=a%20b")]),
        accept("query-kept-plus", kept, [query("v=a%2Bb")]),
        accept("query-kept-percent", kept, [query("v=a%25b")]),
        accept("query-kept-ampersand", kept, [query("v=a%26b%3Dc")]),
        accept("query-kept-hash", kept, [query("v=a%23b")]),
        accept("query-kept-accent", kept, [query("v=%C3%A9")]),
        accept("query-decoded-once", "%253A becomes no %3A, and no colon", [query("v=%253A")]),
    ];
    cases.extend(ESCAPES.map(|escape| {
        accept(format!("query-escape-{}", escape.to_lowercase()), "in HubSpot's table: decoded before signing", [query(&format!("v=a%{escape}b"))])
    }));
    cases.extend([
        refuse("query-value-changed", covered, [query(pair), SentQuery(Some("source=hubspot&attempt=2"))]),
        refuse("query-name-changed", covered, [query(pair), SentQuery(Some("source=hubspot&Attempt=1"))]),
        refuse("query-reordered", covered, [query(pair), SentQuery(Some("attempt=1&source=hubspot"))]),
        refuse("query-parameter-added", covered, [query(pair), SentQuery(Some("source=hubspot&attempt=1&admin=1"))]),
        refuse("query-parameter-removed", covered, [query(pair), SentQuery(Some("source=hubspot"))]),
        refuse("query-removed", covered, [query(pair), SentQuery(None)]),
        refuse("query-added", covered, [SentQuery(Some("admin=1"))]),
        refuse("query-blank-as-plus", "%20 and + are two texts", [query("v=a%20b"), SentQuery(Some("v=a+b"))]),
        refuse("query-wrong-secret", "a query switches nothing off", [query(pair), SignedWith(|_| "somebody-else".into())]),
        refuse("query-wrong-signature", "a query switches nothing off", [query(pair), Header(SIGNATURE_V3_HEADER, vec![b'A'; 44])]),
        refuse("query-no-signature", "a query switches nothing off", [query(pair), Without(SIGNATURE_V3_HEADER), Without(TIMESTAMP_HEADER)]),
        refuse("query-stale", "a query switches nothing off", [query(pair), Stamp(LONG_AGO)]),
        refuse("query-v1-alone", "a query switches nothing off", [query(pair), V1, Without(SIGNATURE_V3_HEADER)]),
    ]);
    cases
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_forms_of_a_url() {
        assert_eq!(over_http("https://a/b"), "http://a/b");
        assert_eq!(over_https("http://a"), "https://a");
        assert_eq!(forged_host("http://a:1/b"), "http://forged.example/b");
        assert_eq!(other_slash("https://a/b"), "https://a/b/");
        assert_eq!(other_slash("https://a/b/"), "https://a/b");
        assert_eq!(other_slash("https://a/"), "https://a//", "without a path there is always one slash");
        assert_eq!(upper_case_path("https://a/b%2f"), "https://a/B%2F");
    }
}
