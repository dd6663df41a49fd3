//! The heart, driven cycle by cycle with a time of its own: what `cycle::run_once` makes of deliveries, of a simulated
//! HubSpot account behind a socket, and of whatever fails in between. The books are in SQLite here, and the same tests run
//! with MariaDB in `cycle_mysql`.

#![expect(clippy::unwrap_used, reason = "tests")]

mod always;
// The program looks for its books in a file here; what it does with them is the store's, in both engines.
mod archive;
mod away;
mod backlog;
mod backup;
mod besides;
mod calendar;
mod corrections;
mod definitions;
mod ends;
mod failing;
mod figures;
mod opening;
mod periods;
mod quiet;
mod receipts;
mod reconcile;
mod resting;
mod retention;
mod sending;
mod settling;
mod taking_in;
mod world;

/// What keeps the books of these tests.
const ENGINE: report_worker::store::Engine = report_worker::store::Engine::Sqlite;
