//! The tests of `cycle` once more, with the books in MariaDB: every figure has to be the same.

#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "../cycle/always.rs"]
mod always;
#[path = "../cycle/away.rs"]
mod away;
#[path = "../cycle/backlog.rs"]
mod backlog;
#[path = "../cycle/backup.rs"]
mod backup;
#[path = "../cycle/besides.rs"]
mod besides;
mod broken;
#[path = "../cycle/calendar.rs"]
mod calendar;
#[path = "../cycle/corrections.rs"]
mod corrections;
#[path = "../cycle/definitions.rs"]
mod definitions;
#[path = "../cycle/ends.rs"]
mod ends;
#[path = "../cycle/failing.rs"]
mod failing;
#[path = "../cycle/figures.rs"]
mod figures;
#[path = "../cycle/opening.rs"]
mod opening;
#[path = "../cycle/periods.rs"]
mod periods;
#[path = "../cycle/quiet.rs"]
mod quiet;
#[path = "../cycle/receipts.rs"]
mod receipts;
#[path = "../cycle/reconcile.rs"]
mod reconcile;
#[path = "../cycle/retention.rs"]
mod retention;
#[path = "../cycle/sending.rs"]
mod sending;
#[path = "../cycle/settling.rs"]
mod settling;
#[path = "../cycle/taking_in.rs"]
mod taking_in;
#[path = "../cycle/world.rs"]
mod world;

/// What keeps the books of these tests.
const ENGINE: report_worker::store::Engine = report_worker::store::Engine::MySql;
