//! The door from outside: gateway events in, calls to AWS, answers and log lines out.

mod answers;
mod secrets;
mod support;
