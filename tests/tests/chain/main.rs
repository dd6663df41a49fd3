//! The whole chain with real parts: HubSpot's deliveries through Lambda, SQS and the worker into a mailbox; mail servers
//! that misbehave; and processes that are killed.
#![expect(clippy::unwrap_used, reason = "a test says what is wrong by failing")]

mod conformance;
mod crash;
mod demo;
mod doctor;
mod doors;
mod ending;
mod gateway;
mod harness;
mod killed;
mod lambda;
mod mail_server;
mod operator;
mod second_opinion;
mod secrets;

/// The machine's time.
fn now() -> jiff::Timestamp {
    jiff::Timestamp::from_millisecond(hubspot_simulator::Clock::System.now_ms()).unwrap()
}
