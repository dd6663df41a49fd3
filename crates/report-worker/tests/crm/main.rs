//! The CRM client against a server on a real socket.

#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod failing;
mod fake;
mod names;
mod reading;
mod walking;
