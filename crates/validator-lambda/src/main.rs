//! The Lambda function: reads the environment and the clock, opens the door, and answers gateway events.

use std::io::Write;
use std::time::SystemTime;

use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use validator_lambda::{Answer, Config, Door, Event, Reply, sdk};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let config = Config::from_env()?;
    let aws = sdk(&config).await?;
    let door = Box::leak(Box::new(Door::open(config, &aws, now_ms()?).await?));
    // As a task of its own, since whatever wakes the main future makes a detour through the kernel.
    tokio::spawn(run(service_fn(|event| Box::pin(answer(door, event))))).await?
}

async fn answer(door: &Door, event: LambdaEvent<Event>) -> Result<Reply, Error> {
    let Answer { reply, record } = door.answer(event, now_ms()?).await;
    // A log that cannot be written must not cost a delivery that is already queued.
    let _ = std::io::stdout().write_all(format!("{record}\n").as_bytes());
    Ok(reply)
}

/// Epoch milliseconds UTC.
#[expect(clippy::disallowed_methods, reason = "the one place of this program where the time is read")]
fn now_ms() -> Result<i64, Error> {
    Ok(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_millis().try_into()?)
}
