//! The conformance kit: every delivery that a HubSpot webhook endpoint must accept, and every request that it must refuse,
//! posted to any endpoint that speaks HTTP.
//!
//! A case is data: how one request differs from a right delivery, and what has to come of it. Source of the rules:
//! HubSpot's guides "Validating requests from HubSpot" and "Webhooks"; where they are silent, the `why` of a case says what
//! follows from them.

mod cases;
mod delivery;
mod post;
mod table;

use std::fmt;
use std::time::Duration;

use anyhow::{Context as _, bail};
use hubspot_webhook::signature::{EmptySecret, Secret};
use serde::Serialize;
use tokio::task::JoinSet;

use self::delivery::Change;
use self::post::Line;
pub use self::post::{Answer, Target, TargetError};
use crate::clock::Clock;

/// How long HubSpot waits for an answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// What has to come of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Expected {
    /// A 2xx: the delivery is HubSpot's, and anything else makes HubSpot repeat it.
    Accepted,
    /// A 4xx: it is not, or not as HubSpot sends it. A 5xx would be a failure of the endpoint's own.
    Refused,
}

impl Expected {
    fn is_met_by(self, answer: Answer) -> bool {
        match self {
            Self::Accepted => matches!(answer, Answer::Status(200..=299)),
            Self::Refused => matches!(answer, Answer::Status(400..=499)),
        }
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Accepted => "accepted",
            Self::Refused => "refused",
        })
    }
}

/// How often a case's request is posted; each time it is signed anew, as each of HubSpot's attempts is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Posted {
    Once,
    /// So many, one after the other.
    InTurn(usize),
    /// So many at the same time.
    AtOnce(usize),
}

/// One request, and what has to come of it.
#[derive(Debug, Clone)]
struct Case {
    name: String,
    expected: Expected,
    why: &'static str,
    posted: Posted,
    /// How it differs from a right delivery, in this order.
    changes: Vec<Change>,
}

/// What came of one case.
#[derive(Debug, Clone, Serialize)]
pub struct Finding {
    /// What the case is about.
    pub group: &'static str,
    /// Its name, which stays.
    pub name: String,
    /// What has to come of it.
    pub expected: Expected,
    /// Why, in one line.
    pub why: &'static str,
    /// The answer; of several posts the first that is not as expected, else the last.
    pub answer: Answer,
    /// Whether every answer was as expected.
    pub passed: bool,
}

/// What came of all cases.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Where the requests went.
    pub target: String,
    /// The URL that right deliveries were signed for.
    pub signed_url: String,
    /// How many cases passed.
    pub passed: usize,
    /// How many failed.
    pub failed: usize,
    /// Every case, in the order of the table.
    pub cases: Vec<Finding>,
}

/// An endpoint, and what its deliveries are signed with.
#[derive(Debug)]
pub struct Kit {
    target: Target,
    /// The URL that HubSpot would have called; another one than the target's where a proxy stands before the endpoint.
    signed_url: String,
    secret: String,
    clock: Clock,
}

impl Kit {
    /// A kit for this endpoint. Deliveries are signed for `signed_url`, or else for the target as it is written.
    ///
    /// # Errors
    /// An empty secret is refused.
    pub fn new(target: Target, signed_url: Option<Target>, secret: String, clock: Clock) -> Result<Self, EmptySecret> {
        Secret::new(secret.as_str())?;
        let signed_url = signed_url.as_ref().unwrap_or(&target).as_str().to_owned();
        Ok(Self { target, signed_url, secret, clock })
    }

    /// Posts every case, one after the other.
    ///
    /// # Errors
    /// When the endpoint cannot be reached, or leaves the first delivery, a plain and right one, without any answer.
    pub async fn run(self) -> anyhow::Result<Report> {
        let line = Line::to(&self.target)?;
        line.connect().await.with_context(|| format!("{} cannot be reached", self.target))?;
        let mut findings = Vec::new();
        for (group, case) in cases::all(&self.signed_url, self.clock.now_ms()) {
            let answers = self.answers(&line, &case).await;
            if findings.is_empty() && !answers.iter().any(|answer| matches!(answer, Answer::Status(_))) {
                bail!("{} takes connections, but a plain delivery got no HTTP answer: {}", self.target, answers[0]);
            }
            let unmet = answers.iter().find(|answer| !case.expected.is_met_by(**answer));
            findings.push(Finding {
                group,
                passed: unmet.is_none(),
                answer: *unmet.unwrap_or(&answers[answers.len() - 1]),
                name: case.name,
                expected: case.expected,
                why: case.why,
            });
        }
        let passed = findings.iter().filter(|finding| finding.passed).count();
        Ok(Report {
            target: self.target.as_str().to_owned(),
            signed_url: self.signed_url,
            passed,
            failed: findings.len() - passed,
            cases: findings,
        })
    }

    /// Posts a case as often as it wants; there is at least one answer.
    async fn answers(&self, line: &Line, case: &Case) -> Vec<Answer> {
        let request =
            || delivery::request(&self.target, &self.signed_url, &self.secret, &case.changes, self.clock.now_ms());
        match case.posted {
            Posted::Once => vec![line.post(request()).await],
            Posted::InTurn(times) => {
                let mut answers = Vec::new();
                for _ in 0..times {
                    answers.push(line.post(request()).await);
                }
                answers
            }
            Posted::AtOnce(times) => {
                let mut posts = JoinSet::new();
                for _ in 0..times {
                    let (line, request) = (line.clone(), request());
                    posts.spawn(async move { line.post(request).await });
                }
                posts.join_all().await
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_2xx_accepts_and_only_4xx_refuses() {
        for status in [200, 202, 204, 299] {
            assert!(Expected::Accepted.is_met_by(Answer::Status(status)));
            assert!(!Expected::Refused.is_met_by(Answer::Status(status)));
        }
        for status in [400, 401, 405, 499] {
            assert!(!Expected::Accepted.is_met_by(Answer::Status(status)));
            assert!(Expected::Refused.is_met_by(Answer::Status(status)));
        }
        let statuses = [199, 300, 302, 399, 500, 503].map(Answer::Status);
        for neither in statuses.into_iter().chain([Answer::Silence, Answer::Dropped, Answer::NoConnection]) {
            assert!(!Expected::Accepted.is_met_by(neither) && !Expected::Refused.is_met_by(neither), "{neither}");
        }
    }
}
