//! What every bench needs: targets with what came out, and what Linux counts of a process.
//!
//! All figures are whole numbers of small units, so a ratio is a division rounded against us.

pub mod process;
mod target;

pub use target::{Target, Targets, Unit, ratio};
