//! Reports: figures in, document out. Pure, and knows only [`crate::domain`].

mod build;
mod completeness;
mod corrections;
mod deals;
mod definition;
mod document;
mod invoices;
mod render;
mod sample;
#[cfg(test)]
mod tests;
mod text;

pub use build::{Built, Item, Scene, Was, build};
pub use definition::{BUILT_IN, Definition, Subject};
pub use document::{Document, Row, Section};
pub use render::{html, plain_text};
pub use sample::sample;
