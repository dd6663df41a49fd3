//! `closing-bell redrive`: the dead letters, listed or put back.

use std::collections::BTreeSet;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use jiff::Timestamp;
use serde::Serialize;

use super::operator::{ago, count, open};
use super::{print, work};
use crate::config::{Environment, QueueConfig};
use crate::queue::{DeadLetterWalk, HeldLetter, Letter, QueueError};

#[derive(Debug, clap::Args)]
#[command(
    group = clap::ArgGroup::new("which").required(true),
    after_help = "Looks at QUEUE_URL and DEAD_LETTER_QUEUE_URL if they are set, else at QUEUE_FILE. A letter is copied into \
                  the queue first and then deleted; what is taken in twice adds nothing.\n\
                  Exit code: 0 done, 1 failed or not found, 2 for wrong usage or configuration."
)]
pub(super) struct Args {
    /// Show the dead letters and change nothing
    #[arg(long, group = "which")]
    list: bool,
    /// Put all of them back
    #[arg(long, group = "which")]
    all: bool,
    /// Put this one back; may be given more than once
    #[arg(long, value_name = "ID", group = "which")]
    id: Vec<String>,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

/// What was done.
#[derive(Debug, Default, Serialize)]
struct Outcome {
    put_back: Vec<String>,
    failed: Vec<Failure>,
    not_found: Vec<String>,
    #[serde(skip_serializing_if = "is_false")]
    interrupted: bool,
}

#[derive(Debug, Serialize)]
struct Failure {
    id: String,
    cause: String,
}

/// Lists or puts back; an interruption leaves the rest as it was.
pub(super) async fn run(args: Args, environment: &Environment, clock: fn() -> Timestamp) -> anyhow::Result<ExitCode> {
    let queue = open(QueueConfig::read_alone(environment)?).await?;
    let mut walk = queue.walk_dead_letters(clock());
    let mut letters = Vec::new();
    let mut outcome = Outcome::default();
    let walked = if args.list {
        look(&mut walk, &mut letters, &mut outcome).await
    } else {
        put_back(&mut walk, &args.id, &mut outcome, clock).await
    };
    walk.end().await;
    walked?;
    if args.list {
        letters.sort_by(|one, other| (one.at, &one.id).cmp(&(other.at, &other.id)));
        print(&if args.json { serde_json::to_string(&letters)? } else { table(&letters, clock()) })?;
    } else {
        print(&if args.json { serde_json::to_string(&outcome)? } else { words(&outcome) })?;
    }
    let done = outcome.failed.is_empty() && outcome.not_found.is_empty() && !outcome.interrupted;
    Ok(if done { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn look(walk: &mut DeadLetterWalk, letters: &mut Vec<Letter>, outcome: &mut Outcome) -> anyhow::Result<()> {
    pages(walk, outcome, async |_, page, _| {
        letters.extend(page.into_iter().map(|held| held.letter));
        (letters.len(), true)
    })
    .await
}

async fn put_back(
    walk: &mut DeadLetterWalk,
    ids: &[String],
    outcome: &mut Outcome,
    clock: fn() -> Timestamp,
) -> anyhow::Result<()> {
    let mut missing: BTreeSet<&String> = ids.iter().collect();
    let by_id = !missing.is_empty();
    pages(walk, outcome, async |walk, mut page, outcome| {
        page.retain(|held| !by_id || missing.remove(&held.letter.id));
        let chosen: Vec<String> = page.iter().map(|held| held.letter.id.clone()).collect();
        let failed = walk.put_back(page, clock()).await;
        let failed_ids: BTreeSet<&String> = failed.iter().map(|(id, _)| id).collect();
        outcome.put_back.extend(chosen.into_iter().filter(|id| !failed_ids.contains(id)));
        outcome.failed.extend(failed.into_iter().map(|(id, error)| Failure { id, cause: chain(error) }));
        (outcome.put_back.len(), !by_id || !missing.is_empty())
    })
    .await?;
    if !outcome.interrupted {
        outcome.not_found = missing.into_iter().cloned().collect();
    }
    Ok(())
}

/// Hands every page of the walk to `each`, which says how many letters are done and whether to go on. Ctrl-C and SIGTERM end it
/// between two pages; what SQS is handing out at that moment stays hidden for some minutes.
async fn pages(
    walk: &mut DeadLetterWalk,
    outcome: &mut Outcome,
    mut each: impl AsyncFnMut(&mut DeadLetterWalk, Vec<HeldLetter>, &mut Outcome) -> (usize, bool),
) -> anyhow::Result<()> {
    let stop = work::stopped()?;
    tokio::pin!(stop);
    let mut progress = Progress::default();
    loop {
        let page = tokio::select! {
            biased;
            () = &mut stop => {
                outcome.interrupted = true;
                return Ok(());
            }
            page = walk.next() => page?,
        };
        if page.is_empty() {
            return Ok(());
        }
        let (done, go_on) = each(walk, page, outcome).await;
        progress.show(done);
        if !go_on {
            return Ok(());
        }
    }
}

/// A line on stderr that counts, at a terminal.
#[derive(Default)]
struct Progress {
    shown: bool,
}

impl Progress {
    fn show(&mut self, done: usize) {
        if io::stderr().is_terminal() {
            self.shown = true;
            // Where stderr is closed nobody is watching.
            let _ = write!(io::stderr(), "\r{}", count(done as u64, "dead letter"));
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.shown {
            let _ = writeln!(io::stderr());
        }
    }
}

fn chain(error: QueueError) -> String {
    format!("{:#}", anyhow::Error::from(error))
}

fn table(letters: &[Letter], now: Timestamp) -> String {
    if letters.is_empty() {
        return "there are no dead letters".to_owned();
    }
    let blocks: Vec<String> = letters
        .iter()
        .map(|letter| {
            let received = letter.received.map_or_else(|| "unknown".to_owned(), |times| times.to_string());
            format!(
                "{}\n  cause     {}\n  given up  {} ({})\n  size      {}\n  received  {received}",
                letter.id,
                printable(&letter.cause),
                letter.at.strftime("%Y-%m-%d %H:%M:%SZ"),
                ago(letter.at, now),
                count(letter.size_bytes, "byte"),
            )
        })
        .collect();
    format!("{}\n\n{}", blocks.join("\n\n"), count(letters.len() as u64, "dead letter"))
}

/// A cause without characters that would steer a terminal: whoever may write into the queue may write any.
fn printable(cause: &str) -> String {
    cause.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

fn words(outcome: &Outcome) -> String {
    let mut lines = vec![format!("put back {}", count(outcome.put_back.len() as u64, "dead letter"))];
    lines.extend(outcome.failed.iter().map(|Failure { id, cause }| format!("{id} could not be put back: {cause}")));
    lines.extend(outcome.not_found.iter().map(|id| format!("there is no dead letter {}", printable(id))));
    if outcome.interrupted {
        lines.push("ended as asked, before all of them were seen; the rest is where it was".to_owned());
    }
    lines.join("\n")
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_false(value: &bool) -> bool {
    !value
}
