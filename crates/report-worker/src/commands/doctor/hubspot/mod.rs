//! HubSpot: the clock, the token and what it may read, the API's version and the calls that are left.

use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::super::operator::span;
use super::{Check, chain, root};
use crate::config::CrmConfig;
use crate::crm::{Crm, CrmError, CrmSettings, Look, Subject};
use crate::domain::account::Account;
use crate::domain::record::Kind;
use crate::domain::time::zone;

/// Less than the time of a check, so that it is HubSpot's silence that is told.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(8);

/// A clock that is off by more will not be right for long, in seconds.
const OFF: u64 = 30;
/// A signature is good for so long (hubspot-facts 1.2), in seconds.
const FAR_OFF: u64 = 300;

const CLOCK: &str = "clock";
const TOKEN: &str = "HubSpot token";
const ZONE: &str = "time zone";
const VERSION: &str = "API version";
const CALLS: &str = "daily calls";
const ACCOUNT: &str = "account";

/// What is read of HubSpot, by the name of its check.
const SUBJECTS: [(&str, Subject); 5] = [
    ("deals", Subject::Records(Kind::Deal)),
    ("invoices", Subject::Records(Kind::Invoice)),
    ("payments", Subject::Records(Kind::Payment)),
    ("companies", Subject::Companies),
    ("owners", Subject::Owners),
];

/// All checks that ask HubSpot, and the account that the token belongs to.
pub(super) async fn checks(
    config: Option<&CrmConfig>,
    reporting: Option<&TimeZone>,
    clock: fn() -> Timestamp,
) -> (Vec<Check>, Option<Account>) {
    let Some(config) = config else {
        return (none("HUBSPOT_ACCESS_TOKEN or another of HubSpot's variables is missing or wrong"), None);
    };
    let crm = match connect(config) {
        Ok(crm) => crm,
        Err(error) => {
            let fix = match &error {
                CrmError::Address { .. } => "Set HUBSPOT_API_URL to https://api.hubapi.com",
                CrmError::Version(_) => "Set HUBSPOT_API_VERSION to 2026-09",
                CrmError::Token => {
                    "Copy the token again into HUBSPOT_ACCESS_TOKEN: in HubSpot the app's Auth tab shows it"
                }
                _ => "Install the system's CA certificates (`apt-get install ca-certificates`)",
            };
            let mut checks = none("the token cannot be used");
            checks.insert(0, Check::wrong(TOKEN, chain(error), fix));
            checks.retain(|check| check.check != TOKEN || check.fix.is_some());
            return (checks, None);
        }
    };
    let account = async {
        let asked = clock();
        let (look, account) = crm.look_at_account().await;
        (asked, clock(), look, account)
    };
    let read = |(name, subject)| {
        let crm = &crm;
        async move { judge_subject(name, subject, look_for(crm, subject).await) }
    };
    let [deals, invoices, payments, companies, owners] = SUBJECTS.map(read);
    let ((asked, answered, look, account), deals, invoices, payments, companies, owners) =
        tokio::join!(account, deals, invoices, payments, companies, owners);
    let mut checks = vec![
        judge_clock(look.sent_at, asked, answered),
        judge_token(&account),
        judge_zone(account.as_ref().ok(), reporting, answered),
    ];
    checks.extend([deals, invoices, payments, companies, owners]);
    checks.push(judge_version(&config.api_version, &look, account.as_ref().map(drop)));
    checks.push(judge_calls(look.daily, account.as_ref().map(drop)));
    (checks, account.ok())
}

/// HubSpot, as patient as a check.
pub(super) fn connect(config: &CrmConfig) -> Result<Crm, CrmError> {
    let CrmConfig { api_url, api_version, access_token } = config.clone();
    let settings = CrmSettings::new(api_url, api_version, access_token);
    Crm::new(CrmSettings { request_timeout: REQUEST_TIMEOUT, ..settings })
}

/// Nothing could be asked.
fn none(why: &str) -> Vec<Check> {
    let names = [CLOCK, TOKEN, ZONE].into_iter().chain(SUBJECTS.map(|(name, _)| name)).chain([VERSION, CALLS]);
    names.map(|name| Check::not_checked(name, why)).collect()
}

/// Whether it may be read, and which of the properties are missing that figures come from.
async fn look_for(crm: &Crm, subject: Subject) -> Result<Vec<String>, CrmError> {
    match subject {
        Subject::Records(kind) => {
            let (readable, missing) = tokio::join!(crm.look_for(subject), crm.missing_properties(kind));
            readable.and(missing)
        }
        Subject::Companies | Subject::Owners => crm.look_for(subject).await.map(|()| vec![]),
    }
}

/// HubSpot gives its time to the second, and it was sent at some moment between these two.
fn judge_clock(sent_at: Option<Timestamp>, asked: Timestamp, answered: Timestamp) -> Check {
    let Some(sent_at) = sent_at else {
        return Check::not_checked(CLOCK, "HubSpot's time is not known without an answer");
    };
    let ahead = asked.duration_since(sent_at + SignedDuration::from_secs(1));
    let behind = sent_at.duration_since(answered);
    let (off, way) = if ahead.is_positive() { (ahead, "ahead of") } else { (behind, "behind") };
    let off = u64::try_from(off.as_secs()).unwrap_or(0);
    let told = format!("this machine's is {} {way} HubSpot's", span(off));
    let fix = "Set this machine's clock, and keep it right with NTP (`timedatectl set-ntp true`)";
    match off {
        0..=OFF => Check::ok(CLOCK, "this machine's agrees with HubSpot's"),
        off if off < FAR_OFF => Check::warning(CLOCK, told, fix),
        _ => Check::wrong(CLOCK, format!("{told}; signatures are refused when they are 5 minutes off"), fix),
    }
}

fn judge_token(account: &Result<Account, CrmError>) -> Check {
    let error = match account {
        Ok(account) => {
            let Account { portal_id, company_currency, time_zone, .. } = account;
            return Check::ok(TOKEN, format!("of account {portal_id}, in {company_currency} and {time_zone}"));
        }
        Err(error) => error,
    };
    let told = told(error);
    match error {
        CrmError::Unauthorized { .. } => Check::wrong(
            TOKEN,
            told,
            "Copy the access token again into HUBSPOT_ACCESS_TOKEN: in HubSpot under Development > Projects > the app > Auth \
             tab (a legacy private app: Settings > Integrations > Private Apps > Auth tab)",
        ),
        CrmError::Forbidden { .. } => {
            Check::wrong(TOKEN, told, "Add the scope oauth to the app, and install it in the account again")
        }
        CrmError::Refused { .. } => Check::wrong(
            TOKEN,
            told,
            "Set HUBSPOT_API_URL to https://api.hubapi.com and HUBSPOT_API_VERSION to 2026-09",
        ),
        CrmError::Unreachable { .. } => Check::wrong(
            TOKEN,
            told,
            "Let this machine reach the host of HUBSPOT_API_URL on port 443: look at its name service, firewall and proxy",
        ),
        _ => Check::warning(
            TOKEN,
            told,
            "Run `closing-bell doctor` again in some minutes; status.hubspot.com tells of outages",
        ),
    }
}

/// What went wrong, without the advice that the error's own text gives.
fn told(error: &CrmError) -> String {
    match error {
        CrmError::Unauthorized { reply, .. } => format!("HubSpot does not accept the token ({reply})"),
        CrmError::Forbidden { task, reply, .. } => format!("the token may not {task} ({reply})"),
        CrmError::Refused { task, reply } => format!("HubSpot refuses to {task} ({reply})"),
        CrmError::Unreachable { source, .. } => format!("HubSpot does not answer: {}", root(source)),
        other => other.to_string(),
    }
}

fn judge_zone(account: Option<&Account>, reporting: Option<&TimeZone>, now: Timestamp) -> Check {
    let Some(account) = account else { return Check::not_checked(ZONE, "the account's is not known") };
    let name = &account.time_zone;
    let Some(of_account) = zone(name) else {
        return Check::warning(
            ZONE,
            format!("the account's, {name}, is in no time zone database"),
            "Set TIME_ZONE to the IANA name of the zone to report in, such as Europe/Berlin",
        );
    };
    match reporting {
        None => Check::ok(ZONE, format!("reports are in the account's, {name}")),
        Some(reporting) if is_same(&of_account, reporting, now) => {
            Check::ok(ZONE, format!("TIME_ZONE is the account's, {name}"))
        }
        Some(reporting) => Check::warning(
            ZONE,
            format!(
                "TIME_ZONE is {}, and the account's is {name}: days and months begin at other moments than in HubSpot",
                reporting.iana_name().unwrap_or("another")
            ),
            "Unset TIME_ZONE, unless reports are meant to be in another zone than HubSpot's own",
        ),
    }
}

/// Zones have several names. These two agree in every month to come.
fn is_same(one: &TimeZone, other: &TimeZone, now: Timestamp) -> bool {
    let months = (0..12).map(|month| now + SignedDuration::from_hours(month * 730));
    months.into_iter().all(|at| one.to_offset(at) == other.to_offset(at))
}

fn judge_subject(name: &'static str, subject: Subject, missing: Result<Vec<String>, CrmError>) -> Check {
    let error = match missing {
        Ok(missing) if missing.is_empty() => {
            return Check::ok(
                name,
                match subject {
                    Subject::Records(_) => "the token may read them, and all properties are there",
                    Subject::Companies | Subject::Owners => "the token may read them",
                },
            );
        }
        Ok(missing) => {
            let missing = missing.join(", ");
            return Check::warning(
                name,
                format!(
                    "the account has no property {missing}: no figure can come from it, and no report be filtered by it"
                ),
                format!("Look for {missing} in HubSpot under Settings > Properties, and restore what is archived"),
            );
        }
        Err(error) => error,
    };
    match &error {
        CrmError::Forbidden { scope, .. } => {
            let fix = format!(
                "Add the scope {scope} to requiredScopes in app-hsmeta.json, run `hs project upload` and install the app again \
                 (a legacy private app: Settings > Integrations > Private Apps > Scopes tab)"
            );
            let told = told(&error);
            match subject {
                Subject::Records(Kind::Deal | Kind::Invoice) => Check::wrong(name, told, fix),
                Subject::Records(Kind::Payment) => {
                    Check::warning(name, format!("{told}: receipts are told by invoices alone"), fix)
                }
                Subject::Companies | Subject::Owners => {
                    Check::warning(name, format!("{told}: reports lack their names"), fix)
                }
            }
        }
        CrmError::Unauthorized { .. } | CrmError::Unreachable { .. } | CrmError::Refused { .. } => {
            Check::not_checked(name, told(&error))
        }
        _ => Check::warning(name, told(&error), "Run `closing-bell doctor` again in some minutes"),
    }
}

fn judge_version(version: &str, look: &Look, account: Result<(), &CrmError>) -> Check {
    const FIX: &str =
        "Set HUBSPOT_API_VERSION to 2026-09, or to the newest dated version that a release of Closing Bell names";
    match (account, look.ends_at) {
        (Err(CrmError::Refused { reply, .. }), _) if reply.status == 404 => {
            Check::wrong(VERSION, format!("HubSpot does not know {version} ({reply})"), FIX)
        }
        (_, Some(ends_at)) => {
            Check::warning(VERSION, format!("HubSpot ends {version} on {}", ends_at.strftime("%Y-%m-%d")), FIX)
        }
        (Ok(()), None) if version.ends_with("-beta") => {
            Check::warning(VERSION, format!("{version} may change any day"), FIX)
        }
        (Ok(()), None) => Check::ok(VERSION, format!("HubSpot answers {version}")),
        (Err(_), None) => Check::not_checked(VERSION, format!("HubSpot did not answer {version}")),
    }
}

fn judge_calls(daily: Option<(u64, u64)>, account: Result<(), &CrmError>) -> Check {
    const FIX: &str =
        "Find in HubSpot, in the Logs tab of each app, which one calls so often, and slow it down or raise the limit";
    if account.is_err_and(CrmError::is_daily_limit) {
        return Check::wrong(CALLS, "the day's are used up until midnight in the account's time zone", FIX);
    }
    match daily {
        None => Check::not_checked(CALLS, "HubSpot does not tell how many are left"),
        Some((left, of)) => {
            let told = format!("{left} of {of} are left");
            if left.saturating_mul(10) < of { Check::warning(CALLS, told, FIX) } else { Check::ok(CALLS, told) }
        }
    }
}

/// Whether the books are those of the token's account.
pub(super) fn same_account(account: Option<&Account>, held: Option<&Account>) -> Check {
    match (account, held) {
        (Some(account), Some(held)) if account.portal_id == held.portal_id => {
            Check::ok(ACCOUNT, format!("the books are those of account {}", account.portal_id))
        }
        (Some(account), Some(held)) => Check::wrong(
            ACCOUNT,
            format!(
                "the books are those of account {}, and the token is of account {}",
                held.portal_id, account.portal_id
            ),
            format!(
                "Set HUBSPOT_ACCESS_TOKEN to a token of account {}, or DATABASE_URL to other books",
                held.portal_id
            ),
        ),
        (Some(_), None) => Check::not_checked(ACCOUNT, "no books name theirs yet"),
        (None, _) => Check::not_checked(ACCOUNT, "the token's is not known"),
    }
}

#[cfg(test)]
mod tests;
