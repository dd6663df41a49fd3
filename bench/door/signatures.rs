//! Signature checks per second: ours, HubSpot's official clients, the bare hashes, and openssl's own figure.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use hmac::{Hmac, KeyInit, Mac};
use hubspot_webhook::door::{Keys, Request, SIGNATURE_V3_HEADER, TIMESTAMP_HEADER, TargetUrls, admit, check};
use hubspot_webhook::signature::{Secret, sign_v3};
use sha2::Sha256;

use crate::aws::SECRET;
use crate::function::{Workshop, sources};
use crate::{Counts, now_ms};

/// Bodies, in bytes.
pub(crate) const SIZES: [usize; 3] = [400, 4_000, 40_000];

const URL: &str = "https://k3x9qw71zb.execute-api.eu-central-1.amazonaws.com/prod/webhooks/hubspot";

/// Checks between two looks at the clock.
const CHECKS: u64 = 64;

/// Who checks, or only hashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Checker {
    /// `door::check`: headers, time and signature.
    Check,
    /// `door::admit`: the same, and the envelope for the queue.
    Admit,
    /// hmac and sha2 with a key that is prepared once.
    HmacSha2,
    /// ring's HMAC with a key that is prepared once.
    Ring,
    Node,
    Python,
    /// `openssl speed -hmac sha256` over as many bytes as the body has. By the clock on the wall, as all the others.
    OpensslBody,
    /// The same over as many bytes as are signed: method, URL, body and timestamp.
    OpensslSigned,
}

impl Checker {
    const ALL: [Self; 8] = [
        Self::Check,
        Self::Admit,
        Self::HmacSha2,
        Self::Ring,
        Self::Node,
        Self::Python,
        Self::OpensslBody,
        Self::OpensslSigned,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Admit => "ours: admit, with the envelope",
            Self::Check => "ours: check",
            Self::HmacSha2 => "hmac + sha2, bare",
            Self::Ring => "ring::hmac, bare",
            Self::Node => "HubSpot's client for Node",
            Self::Python => "HubSpot's client for Python",
            Self::OpensslBody => "openssl speed, the body's bytes",
            Self::OpensslSigned => "openssl speed, all signed bytes",
        }
    }
}

/// Checks per second, by checker and body size: the best of some rounds, since whatever disturbs makes it slower.
pub(crate) type Rates = BTreeMap<(Checker, usize), u64>;

/// Goes through all checkers in each round, so that noise hits all alike. A checker that fails is a problem.
pub(crate) fn measure(workshop: &Workshop, python: &Path, counts: &Counts, problems: &mut Vec<String>) -> Rates {
    let mut rates = Rates::new();
    let mut wanted: Vec<(Checker, usize)> =
        SIZES.into_iter().flat_map(|size| Checker::ALL.map(|checker| (checker, size))).collect();
    for _ in 0..counts.signature_rounds {
        wanted.retain(|&(checker, size)| match rate(workshop, python, checker, size) {
            Ok(rate) => {
                let best = rates.entry((checker, size)).or_default();
                *best = rate.max(*best);
                true
            }
            Err(error) => {
                problems.push(format!("{}, {size} bytes: {error:#}", checker.name()));
                false
            }
        });
    }
    rates
}

fn rate(workshop: &Workshop, python: &Path, checker: Checker, size: usize) -> Result<u64> {
    let now_ms = now_ms()?;
    let (body, timestamp) = (body(size), now_ms.to_string());
    let parts: [&[u8]; 4] = [b"POST", URL.as_bytes(), body.as_bytes(), timestamp.as_bytes()];
    let secret = Secret::new(SECRET)?;
    let signature = sign_v3(&secret, "POST", URL, body.as_bytes(), &timestamp);
    match checker {
        Checker::Check | Checker::Admit => {
            let (keys, urls) = (Keys::new(vec![secret])?, TargetUrls::new([URL])?);
            let headers: [(&str, &[u8]); 2] =
                [(SIGNATURE_V3_HEADER, signature.as_bytes()), (TIMESTAMP_HEADER, timestamp.as_bytes())];
            let request = Request { method: "POST", headers: &headers, body: body.as_bytes(), queries: &[] };
            match checker {
                Checker::Check => timed(|| check(&request, &keys, &urls, now_ms).is_ok()),
                _ => timed(|| admit(&request, &keys, &urls, now_ms).is_ok()),
            }
        }
        Checker::HmacSha2 => {
            let key = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes())?;
            let tag = parts.iter().fold(key.clone(), Mac::chain_update).finalize();
            timed(|| parts.iter().fold(key.clone(), Mac::chain_update).finalize() == tag)
        }
        Checker::Ring => {
            let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, SECRET.as_bytes());
            let sign = || {
                let mut context = ring::hmac::Context::with_key(&key);
                parts.iter().for_each(|part| context.update(part));
                context.sign()
            };
            let tag = sign();
            timed(|| sign().as_ref() == tag.as_ref())
        }
        Checker::Node => {
            let package = workshop.node.join("package.json");
            let mut node = Command::new("node");
            node.arg(sources().join("node/check.mjs")).arg(package).args(["0.2", URL]).arg(body_file(workshop, &body)?);
            Ok(printed(&mut node)?.trim().parse()?)
        }
        Checker::Python => {
            let mut command = Command::new(python);
            command.arg(sources().join("python/check.py")).args(["0.2", URL]).arg(body_file(workshop, &body)?);
            Ok(printed(&mut command)?.trim().parse()?)
        }
        Checker::OpensslBody => openssl(size),
        Checker::OpensslSigned => openssl(parts.iter().map(|part| part.len()).sum()),
    }
}

/// Checks for a fifth of a second, and says how many that is in one.
fn timed(once: impl Fn() -> bool) -> Result<u64> {
    let (started, mut checks) = (Instant::now(), 0);
    loop {
        for _ in 0..CHECKS {
            ensure!(std::hint::black_box(once()), "a good signature was refused");
        }
        checks += CHECKS;
        let time = started.elapsed();
        if time >= Duration::from_millis(200) {
            return Ok(checks * 1_000_000 / u64::try_from(time.as_micros())?);
        }
    }
}

/// ASCII, as long as asked for.
fn body(size: usize) -> String {
    include_str!("../../tests/payloads/batch_of_100.json").chars().cycle().filter(char::is_ascii).take(size).collect()
}

fn body_file(workshop: &Workshop, body: &str) -> Result<PathBuf> {
    let file = workshop.folder.join(format!("body-{}.json", body.len()));
    std::fs::write(&file, body)?;
    Ok(file)
}

fn openssl(bytes: usize) -> Result<u64> {
    let mut openssl = Command::new("openssl");
    openssl.args(["speed", "-elapsed", "-mr", "-seconds", "1", "-hmac", "sha256", "-bytes", &bytes.to_string()]);
    per_second(&printed(&mut openssl)?, u64::try_from(bytes)?)
}

/// Reads the machine-readable result, `+F:9:hmac(sha256):827125200.00`: bytes per second.
fn per_second(output: &str, bytes: u64) -> Result<u64> {
    let line = output.lines().find(|line| line.starts_with("+F:")).context("openssl speed printed no +F line")?;
    let text = line.rsplit(':').next().unwrap_or_default();
    let whole: u64 = text.split('.').next().unwrap_or_default().parse().with_context(|| format!("`{line}`"))?;
    Ok(whole / bytes)
}

/// What a program prints on stdout.
fn printed(command: &mut Command) -> Result<String> {
    let output = command.stdin(Stdio::null()).output()?;
    if !output.status.success() {
        bail!("ended with {}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim_end());
    }
    Ok(String::from_utf8(output.stdout)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn openssl_is_understood() {
        let output = "+H:400\n+F:9:hmac(sha256):827125200.00\n";
        assert_eq!(per_second(output, 400).unwrap(), 2_067_813);
        assert!(per_second("+H:400\n", 400).is_err());
    }

    #[test]
    fn bodies_are_as_long_as_asked_for() {
        assert_eq!(SIZES.map(|size| body(size).len()), SIZES);
    }
}
