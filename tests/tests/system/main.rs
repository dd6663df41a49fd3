//! `cargo xtask test --system`: the mails in a real browser, and everything that template.yaml makes on an AWS of this machine.
#![expect(clippy::unwrap_used, reason = "a test says what is wrong by failing")]

mod browser;
#[path = "../chain/demo.rs"]
mod demo;
mod deployment;
mod devtools;
mod mails;
mod samples;
mod stack;
mod status_page;
