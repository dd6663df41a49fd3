//! Closing Bell's worker: everything behind the queue, and the all-in-one local mode.
//!
//! `main → cycle → {queue, store, crm, report, mailer} → domain`. The edges never import one another, the report
//! builder imports only [`domain`], and only the cycle knows the order. ARCHITECTURE.md walks one event through it.

pub mod commands;
pub mod config;
pub mod crm;
pub mod cycle;
pub mod domain;
pub mod endpoint;
pub mod heartbeat;
pub mod mailer;
pub mod metrics;
pub mod queue;
pub mod report;
pub mod secrets;
pub mod status_page;
pub mod store;

/// `0.1.0`, or what `cargo xtask package` says, with the commit that it was built from: `0.1.0+3955397abc12`.
///
/// Told by a variable at build time and not by a build script, which would build everything again after each commit.
pub const VERSION: &str = match option_env!("CLOSING_BELL_VERSION") {
    Some(version) => version,
    None => env!("CARGO_PKG_VERSION"),
};
