//! What every test of the chain needs: patience, and programs with a log.

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use tokio::process::{Child, Command};
use tokio::time::Instant;

/// When something has not happened after this long, it never will.
const PATIENCE: Duration = Duration::from_secs(60);

/// Looks until there is something to see.
pub(crate) async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(seen) = look().await {
            return seen;
        }
        assert!(Instant::now() < deadline, "not seen within {} s: {what}", PATIENCE.as_secs());
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
}

/// Starts a program that ends with its test and logs into a file.
pub(crate) fn start(mut command: Command, log: &Path) -> Child {
    let log = File::options().create(true).append(true).open(log).unwrap();
    command.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap()
}
