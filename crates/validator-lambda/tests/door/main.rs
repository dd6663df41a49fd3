//! The door from outside: gateway events in, calls to AWS, answers and log lines out.

mod answers;
mod gateway;
mod secrets;
mod support;
