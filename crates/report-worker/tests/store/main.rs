//! The books, through their public methods, in every engine.

#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod doubts;
mod glance;
mod layout;
mod mysql;
mod payments;
mod periods;
mod retention;
mod story;
mod tls;
mod together;
