//! What users drive: the real program as a process, HTTP in, mail out.

mod bad_input;
mod configuration;
mod day;
mod demo;
mod doctor;
mod faults;
mod odd_records;
mod operator;
mod privacy;
mod reconcile;
mod reports;
mod signatures;
mod status_page;
