//! What finance means by a record, a change and an amount. Knows nobody: no I/O, no clock, no SQL.

pub mod account;
pub mod balances;
pub mod changes;
pub mod completeness;
pub mod entries;
pub mod ledger;
pub mod money;
pub mod period;
pub mod position;
pub mod record;
pub mod time;
