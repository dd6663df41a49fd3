//! The report for people: one line a case, and at the end what failed.

use std::fmt::{self, Write as _};

use super::{Answer, Expected, Finding, Report};

/// The longest name of a case.
pub(super) const NAME_COLUMNS: usize = 31;

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut head = None;
        for finding in &self.cases {
            let Finding { group, name, expected, why, answer, passed } = finding;
            if head != Some((group, expected)) {
                head = Some((group, expected));
                writeln!(f, "{group}: must be {expected}")?;
            }
            let mark = if *passed { "ok" } else { "FAIL" };
            let answer = answer.to_string();
            writeln!(f, "  {mark:<4}  {answer:<7}  {name:<NAME_COLUMNS$}  {why}")?;
        }
        writeln!(f)?;
        let Self { target, signed_url, passed, failed, cases } = self;
        let signed = if target == signed_url { String::new() } else { format!(", signed for {signed_url}") };
        if *failed == 0 {
            return write!(f, "all {} cases pass at {target}{signed}", cases.len());
        }
        write!(f, "{failed} of {} cases fail at {target}{signed} ({passed} pass):", cases.len())?;
        for finding in cases.iter().filter(|finding| !finding.passed) {
            write!(f, "\n  {}: {}", finding.name, told(finding))?;
        }
        Ok(())
    }
}

/// What went wrong, in a sentence.
fn told(finding: &Finding) -> String {
    let mut text = match finding.answer {
        Answer::Status(status) => format!("answered {status}"),
        Answer::Silence => "no answer within 5 s, which is all that HubSpot waits".to_owned(),
        Answer::Dropped => "the connection ended without an HTTP answer".to_owned(),
        Answer::NoConnection => "no connection".to_owned(),
    };
    let wanted = match finding.expected {
        Expected::Accepted => "accepted (2xx)",
        Expected::Refused => "refused (4xx)",
    };
    let _ = write!(text, "; must be {wanted}: {}", finding.why);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_failed_is_marked_and_named_at_the_end() {
        let finding = |group, name: &str, expected, answer, passed| Finding {
            group,
            name: name.to_owned(),
            expected,
            why: "because",
            answer,
            passed,
        };
        let mut report = Report {
            target: "http://a/".to_owned(),
            signed_url: "https://b/".to_owned(),
            passed: 1,
            failed: 2,
            cases: vec![
                finding("versions", "v3-alone", Expected::Accepted, Answer::Status(200), true),
                finding("versions", "v1-alone", Expected::Refused, Answer::Status(204), false),
                finding("body", "body-emoji", Expected::Accepted, Answer::Silence, false),
            ],
        };
        let lines = "\
versions: must be accepted
  ok    200      v3-alone                         because
versions: must be refused
  FAIL  204      v1-alone                         because
body: must be accepted
  FAIL  silence  body-emoji                       because

2 of 3 cases fail at http://a/, signed for https://b/ (1 pass):
  v1-alone: answered 204; must be refused (4xx): because
  body-emoji: no answer within 5 s, which is all that HubSpot waits; must be accepted (2xx): because";
        assert_eq!(report.to_string(), lines);
        assert_eq!(serde_json::to_value(&report).unwrap()["cases"][2]["answer"], "silence");
        assert_eq!(serde_json::to_value(&report).unwrap()["cases"][1]["answer"], 204);
        (report.failed, report.signed_url) = (0, report.target.clone());
        assert!(report.to_string().ends_with("\n\nall 3 cases pass at http://a/"));
    }
}
