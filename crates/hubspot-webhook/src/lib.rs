//! HubSpot's webhook protocol: bytes in, values out. No async, no I/O, no clock, no cloud.
//!
//! [`door::admit`] decides about one delivery and makes an [`envelope::Envelope`], which travels through the queue, is
//! verified again behind it, and whose body [`event::parse`] turns into events. The door parses no JSON.

mod body;
pub mod door;
pub mod envelope;
pub mod event;
mod fields;
mod headers;
mod object;
mod secret;
pub mod signature;
