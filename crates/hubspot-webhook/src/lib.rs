//! HubSpot's webhook protocol: bytes in, values out. No async, no I/O, no clock, no cloud.

pub mod signature;
