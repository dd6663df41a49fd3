//! The way out: the mail server up to the point where a mail would follow, or the folder of mails.

use std::collections::BTreeSet;
use std::path::Path;

use jiff::Timestamp;

use super::super::operator::count;
use super::{Check, certificate, try_to_write_into, within};
use crate::config::MailConfig;
use crate::mailer::{Mailer, Step, TryOut, check_address};
use crate::report::Definitions;

const MAIL: &str = "mail";
const CERTIFICATE: &str = "mail's TLS";

/// Tries the way out, without sending a mail.
pub(super) async fn checks(config: Option<&MailConfig>, reports: Option<&Definitions>, now: Timestamp) -> Vec<Check> {
    let Some(config) = config else {
        return vec![Check::not_checked(MAIL, "SMTP_URL, MAIL_FROM, MAIL_TO or OWNER_EMAIL are missing or wrong")];
    };
    let people = count(recipients(config, reports).try_into().unwrap_or(u64::MAX), "recipient");
    match &*config.mailer.now() {
        Mailer::Smtp(smtp) => judge(within(async { anyhow::Ok(smtp.try_out(&config.from).await) }).await, &people, now),
        Mailer::Directory(directory) => vec![of_folder(directory.folder(), &people)],
        Mailer::Memory(_) => vec![Check::ok(MAIL, "kept in memory")],
    }
}

/// How many people get reports.
fn recipients(config: &MailConfig, reports: Option<&Definitions>) -> usize {
    let mut people: Vec<&String> = Vec::new();
    for report in reports.into_iter().flat_map(|reports| &reports.reports) {
        let to = if report.to.is_empty() { &config.to } else { &report.to };
        people.extend(to.iter().chain(&report.cc).chain(&report.bcc));
    }
    let addresses = people.into_iter().filter_map(|person| check_address(person).ok());
    addresses.map(|address| address.to_ascii_lowercase()).collect::<BTreeSet<_>>().len()
}

fn of_folder(folder: &Path, people: &str) -> Check {
    // It is made with the first mail, in the nearest folder that is there.
    let there = folder.ancestors().find(|place| place.is_dir()).unwrap_or(Path::new("."));
    match try_to_write_into(there) {
        Ok(()) => Check::ok(MAIL, format!("for {people}, as files in {}", folder.display())),
        Err(error) => Check::wrong(
            MAIL,
            format!("{} cannot be written: {error}", folder.display()),
            "Let the user of the worker write the folder of SMTP_URL",
        ),
    }
}

fn judge(tried: anyhow::Result<TryOut>, people: &str, now: Timestamp) -> Vec<Check> {
    let TryOut { server, certificate, authenticated, failed } = match tried {
        Ok(tried) => tried,
        Err(silence) => {
            let failed = Some((Step::Connect, format!("the mail server gave {silence}")));
            TryOut { failed, ..TryOut::default() }
        }
    };
    let mut checks = vec![match failed {
        None => {
            let known = if authenticated { "knows the user and takes the sender" } else { "takes the sender" };
            Check::ok(MAIL, format!("for {people}: {server} {known}"))
        }
        Some((step, told)) => {
            let fix = fix(step, &told);
            Check::wrong(MAIL, told, fix)
        }
    }];
    checks.extend(certificate.map(|der| certificate::check(CERTIFICATE, &server, &der, now)));
    checks
}

fn fix(step: Step, told: &str) -> &'static str {
    match step {
        Step::Connect | Step::Encrypt if told.contains("certificate") => {
            "Have the mail server's certificate renewed, or name its private authority with ?ca_file=PATH in SMTP_URL"
        }
        Step::Connect => {
            "Check host and port of SMTP_URL, and that this machine may reach them; clouds block port 25, so use 465 or 587"
        }
        Step::Encrypt => "Use smtps:// and port 465 in SMTP_URL, or have the mail server offer STARTTLS",
        Step::Authenticate | Step::Credentials => {
            "Put the user and password that the mail provider shows now into SMTP_URL, percent-encoded"
        }
        Step::Sender if told.contains(": 530") => "Put the user and password of the mail provider into SMTP_URL",
        Step::Sender => "Have the mail provider allow MAIL_FROM as a sender, or set MAIL_FROM to one that it allows",
    }
}

#[cfg(test)]
mod tests {
    use super::super::words;
    use super::*;

    #[test]
    fn each_step_that_fails_has_its_fix() {
        let now = "2026-11-23T08:00:00Z".parse().unwrap();
        let failed = |step, told: &str| TryOut { failed: Some((step, told.to_owned())), ..TryOut::default() };
        let server = "mail.example.com:465".to_owned();
        let well = TryOut { server, authenticated: true, ..TryOut::default() };
        let mut checks = judge(Ok(well.clone()), "2 recipients", now);
        checks.extend(judge(Ok(TryOut { authenticated: false, ..well }), "1 recipient", now));
        for (step, told) in [
            (Step::Connect, "cannot connect to mail.example.com:465: Connection refused"),
            (Step::Connect, "cannot connect to mail.example.com:465: invalid peer certificate: Expired"),
            (Step::Encrypt, "cannot encrypt the connection to mail.example.com:587: no STARTTLS"),
            (Step::Authenticate, "cannot authenticate at mail.example.com:465: 535 5.7.8 no"),
            (Step::Sender, "the sender is not accepted: 530 5.7.0 Authentication required"),
            (Step::Sender, "the sender is not accepted: 550 5.7.1 not yours"),
        ] {
            checks.extend(judge(Ok(failed(step, told)), "1 recipient", now));
        }
        checks.extend(judge(Err(anyhow::anyhow!("no answer within 10 seconds")), "1 recipient", now));
        insta::assert_snapshot!(words(&checks), @"
        mail            ok           for 2 recipients: mail.example.com:465 knows the user and takes the sender
        mail            ok           for 1 recipient: mail.example.com:465 takes the sender
        mail            wrong        cannot connect to mail.example.com:465: Connection refused
                        └ fix        Check host and port of SMTP_URL, and that this machine may reach them; clouds block port 25, so use 465 or 587
        mail            wrong        cannot connect to mail.example.com:465: invalid peer certificate: Expired
                        └ fix        Have the mail server's certificate renewed, or name its private authority with ?ca_file=PATH in SMTP_URL
        mail            wrong        cannot encrypt the connection to mail.example.com:587: no STARTTLS
                        └ fix        Use smtps:// and port 465 in SMTP_URL, or have the mail server offer STARTTLS
        mail            wrong        cannot authenticate at mail.example.com:465: 535 5.7.8 no
                        └ fix        Put the user and password that the mail provider shows now into SMTP_URL, percent-encoded
        mail            wrong        the sender is not accepted: 530 5.7.0 Authentication required
                        └ fix        Put the user and password of the mail provider into SMTP_URL
        mail            wrong        the sender is not accepted: 550 5.7.1 not yours
                        └ fix        Have the mail provider allow MAIL_FROM as a sender, or set MAIL_FROM to one that it allows
        mail            wrong        the mail server gave no answer within 10 seconds
                        └ fix        Check host and port of SMTP_URL, and that this machine may reach them; clouds block port 25, so use 465 or 587

        9 checks: 7 wrong, 2 ok
        ");
    }

    #[test]
    fn a_folder_is_there_or_can_be_made_or_neither() {
        let folder = tempfile::tempdir().unwrap();
        let checks = [folder.path().join("not/yet"), "/proc/no".into()].map(|it| of_folder(&it, "1 recipient"));
        let told = words(&checks).replace(&folder.path().display().to_string(), "[folder]");
        insta::assert_snapshot!(told, @"
        mail            ok           for 1 recipient, as files in [folder]/not/yet
        mail            wrong        /proc/no cannot be written: No such file or directory (os error 2)
                        └ fix        Let the user of the worker write the folder of SMTP_URL

        2 checks: 1 wrong, 1 ok
        ");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "a look leaves nothing");
    }
}
