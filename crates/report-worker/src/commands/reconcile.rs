//! `closing-bell reconcile`: what the books miss or hold otherwise than HubSpot.

use std::process::ExitCode;

use indicatif::{ProgressBar, ProgressStyle};
use jiff::Timestamp;
use serde_json::json;

use super::print;
use crate::config::{CrmConfig, Environment, reconcile_alone};
use crate::crm::{Crm, CrmSettings};
use crate::cycle::reconcile::{Comparison, Reconciled};
use crate::domain::record::{Kind, RecordKey};
use crate::store::{Books, Store};

/// What was found and is left as it is.
const NOT_REPAIRED: u8 = 3;

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// Have what differs read again by the worker
    #[arg(long)]
    repair: bool,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

/// Compares all records; exit code 3 if some differ and are left so. Interrupted, it goes on where it was.
pub(super) async fn run(args: Args, environment: &Environment, clock: fn() -> Timestamp) -> anyhow::Result<ExitCode> {
    let (CrmConfig { api_url, api_version, access_token }, books) = reconcile_alone(environment).await?;
    let crm = Crm::new(CrmSettings::new(api_url, api_version, access_token))?;
    if let Books::Sqlite(file) = &books {
        anyhow::ensure!(file.exists(), "there are no books in {}; `local` or `worker` makes them", file.display());
    }
    let store = Store::open(&books).await?;
    let account = crm.account().await?;
    let held: Option<crate::domain::account::Account> = store.fact("account").await?;
    anyhow::ensure!(
        held.is_some_and(|held| held.portal_id == account.portal_id),
        "the books are not those of HubSpot account {}, to which the access token belongs",
        account.portal_id
    );
    let walk = "by hand";
    let comparison = Comparison { store: &store, crm: &crm, portal_id: account.portal_id, walk, repair: args.repair };
    let mut progress = comparison.begin(clock()).await?;
    let bar = bar(&store, account.portal_id).await?;
    loop {
        bar.set_position(progress.listed);
        bar.set_message(progress.found.to_string());
        if !comparison.step(&mut progress, clock()).await? {
            break;
        }
    }
    bar.finish_and_clear();
    let (result, found) = comparison.end(progress, clock()).await?;
    if args.json {
        let found: Vec<_> = found
            .iter()
            .map(|(record, difference)| json!({ "kind": record.kind, "id": record.id, "difference": difference }))
            .collect();
        print(&serde_json::to_string(&json!({ "result": result, "found": found }))?)?;
    } else {
        print(&told(&result, &found))?;
    }
    let left = !found.is_empty() && !args.repair;
    Ok(if left { ExitCode::from(NOT_REPAIRED) } else { ExitCode::SUCCESS })
}

/// It is drawn on stderr, and only at a terminal. The books know about how many records there are.
async fn bar(store: &Store, portal_id: i64) -> anyhow::Result<ProgressBar> {
    let mut records = 0;
    for kind in Kind::ALL {
        records += store.known_records(portal_id, kind).await?;
    }
    let bar = ProgressBar::new(records);
    let style = "{bar:40} {human_pos} of about {human_len} records, {msg} differ, {eta} left";
    bar.set_style(ProgressStyle::with_template(style)?);
    Ok(bar)
}

fn told(result: &Reconciled, found: &[(RecordKey, String)]) -> String {
    let mut lines: Vec<String> = found.iter().map(|(record, difference)| format!("{record}: {difference}")).collect();
    lines.extend(result.left_out.iter().map(|kind| format!("{kind}s: left out, the access token may not read them")));
    let Reconciled { listed, found, began_at, .. } = result;
    lines.push(match (*found, result.repaired) {
        (0, _) => format!("{listed} records compared with HubSpot as of {began_at}: the books agree"),
        (_, true) => format!(
            "{listed} records compared with HubSpot as of {began_at}: {found} differed and are read again, with the \
             worker's next delivery, at its next start or within six hours"
        ),
        (_, false) => format!(
            "{listed} records compared with HubSpot as of {began_at}: {found} differ; `reconcile --repair` has them read again"
        ),
    });
    lines.join("\n")
}
