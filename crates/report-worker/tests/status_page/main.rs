//! The status page over HTTP, as a browser asks for it and as a stranger would.
#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod guard;
mod scene;
mod shown;
