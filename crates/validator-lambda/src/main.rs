//! The Lambda function: reads the environment and the clock, opens the door, and answers gateway events.

use std::io::Write;
use std::time::SystemTime;

use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use validator_lambda::{Answer, Config, Door, Event, Reply, sdk};

/// As `closing-bell --version`: with the commit where whoever built it named one.
const VERSION: &str = match option_env!("CLOSING_BELL_VERSION") {
    Some(version) => version,
    None => env!("CARGO_PKG_VERSION"),
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let config = Config::from_env()?;
    let aws = sdk(&config).await?;
    let door = Box::leak(Box::new(Door::open(config, &aws, now_ms()?).await?));
    log(&format!(r#"{{"level":"INFO","message":"the door is open","version":"{VERSION}"}}"#));
    // As a task of its own, since whatever wakes the main future makes a detour through the kernel.
    tokio::spawn(run(service_fn(|event| Box::pin(answer(door, event))))).await?
}

async fn answer(door: &Door, event: LambdaEvent<Event>) -> Result<Reply, Error> {
    let Answer { reply, record } = door.answer(event, now_ms()?).await;
    log(&record.to_string());
    Ok(reply)
}

/// Writes a line. A log that cannot be written must not cost a delivery that is already queued.
fn log(line: &str) {
    let _ = std::io::stdout().write_all(format!("{line}\n").as_bytes());
}

/// Epoch milliseconds UTC.
#[expect(clippy::disallowed_methods, reason = "the one place of this program where the time is read")]
fn now_ms() -> Result<i64, Error> {
    Ok(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_millis().try_into()?)
}
