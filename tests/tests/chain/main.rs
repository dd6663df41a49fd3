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
mod smtp_server;
mod sqs;

/// The machine's time.
fn now() -> jiff::Timestamp {
    jiff::Timestamp::from_millisecond(hubspot_simulator::Clock::System.now_ms()).unwrap()
}

/// The Python that has the packages of tests/services.
fn python() -> std::ffi::OsString {
    std::env::var_os("CLOSING_BELL_TEST_PYTHON").expect("run `cargo xtask test`")
}
