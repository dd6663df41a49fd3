//! The functions side by side: cold, warm, and before a queue that says nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::aws::{Aws, Sqs};
use crate::delivery::Delivery;
use crate::function::{Function, Peer, SecretIn, Workshop};
use crate::{Counts, now_ms};

/// Events in a body.
pub(crate) const BATCHES: [usize; 3] = [1, 10, 100];

/// Requests to one function before it is the next one's turn, so that noise hits all alike.
const TURN: usize = 100;

/// How long an answer is waited for when SQS says nothing. HubSpot waits 5 seconds.
pub(crate) const CUT_OFF: Duration = Duration::from_secs(40);

/// The first answer of one fresh process.
pub(crate) struct ColdStart {
    /// From the start of the process until it asks for its first event.
    pub(crate) ready: Duration,
    /// From the start of the process until the first answer is there.
    pub(crate) answer: Duration,
    pub(crate) peak_memory: u64,
}

/// Warm requests of one size to one function.
#[derive(Default)]
pub(crate) struct Warm {
    /// Sorted.
    pub(crate) latencies: Vec<Duration>,
    pub(crate) cpu: Duration,
}

pub(crate) type Cold = BTreeMap<(SecretIn, Peer), Vec<ColdStart>>;

/// Starts fresh processes, each peer in its turn. A peer that fails is a problem, and is left out from there on.
pub(crate) async fn cold(workshop: &Workshop, aws: &Aws, counts: &Counts, problems: &mut Vec<String>) -> Cold {
    let mut figures = Cold::new();
    let mut wanted: Vec<(SecretIn, Peer)> =
        SecretIn::BOTH.into_iter().flat_map(|secret| Peer::ALL.map(|peer| (secret, peer))).collect();
    wanted.retain(|&(secret, peer)| secret == SecretIn::Environment || peer.queues());
    for _ in 0..counts.cold_starts {
        let mut failed = Vec::new();
        for &(secret, peer) in &wanted {
            match cold_start(workshop, aws, secret, peer).await {
                Ok(start) => figures.entry((secret, peer)).or_default().push(start),
                Err(error) => {
                    problems.push(format!("cold start of {peer}, secret in {secret:?}: {error:#}"));
                    failed.push((secret, peer));
                }
            }
        }
        wanted.retain(|start| !failed.contains(start));
    }
    figures
}

async fn cold_start(workshop: &Workshop, aws: &Aws, secret: SecretIn, peer: Peer) -> Result<ColdStart> {
    let handshakes = aws.handshakes();
    let mut function = Function::start(workshop, peer, secret, aws).await?;
    let asked = function.asks().await?;
    let now = now_ms()?;
    let answer = function.accept(Delivery::of(1)?.at(now), now).await?;
    let ready = function.since_start(asked);
    let start = ColdStart { ready, answer: function.since_start(answer.at), peak_memory: function.peak_memory()? };
    function.end().await?;
    ensure!(aws.handshakes() > handshakes || !peer.queues(), "{peer} answered without TLS to AWS");
    Ok(start)
}

/// What the warm functions did.
pub(crate) struct WarmRun {
    /// By events in a body.
    pub(crate) figures: BTreeMap<(usize, Peer), Warm>,
    /// In bytes, after all requests.
    pub(crate) peak_memory: BTreeMap<Peer, u64>,
    /// Size in bytes of the bodies of each batch.
    pub(crate) body_bytes: BTreeMap<usize, usize>,
}

/// All functions at once, each in its turn, with bodies of one, ten and a hundred events in turn too: Node compiles as it
/// goes, and whatever came first would look dear.
pub(crate) async fn warm(workshop: &Workshop, aws: &Aws, counts: &Counts, problems: &mut Vec<String>) -> WarmRun {
    let mut run = WarmRun { figures: BTreeMap::new(), peak_memory: BTreeMap::new(), body_bytes: BTreeMap::new() };
    let mut functions = BTreeMap::new();
    for peer in Peer::ALL {
        match Function::start(workshop, peer, SecretIn::Environment, aws).await {
            Ok(function) => _ = functions.insert(peer, function),
            Err(error) => problems.push(format!("warm requests to {peer}: {error:#}")),
        }
    }
    let warm_up = counts.warm_up / TURN;
    for turn in 0..warm_up + counts.warm_requests / TURN {
        for batch in BATCHES {
            let mut failed = Vec::new();
            for (&peer, function) in &mut functions {
                let figures = run.figures.entry((batch, peer)).or_default();
                match take_turn(function, aws, peer, batch).await {
                    Ok((latencies, cpu, body_bytes)) if turn >= warm_up => {
                        figures.latencies.extend(latencies);
                        figures.cpu += cpu;
                        run.body_bytes.insert(batch, body_bytes);
                    }
                    Ok(_) => {}
                    Err(error) => {
                        problems.push(format!("warm requests to {peer}: {error:#}"));
                        failed.push(peer);
                    }
                }
            }
            functions.retain(|peer, _| !failed.contains(peer));
        }
    }
    run.figures.retain(|(_, peer), _| functions.contains_key(peer));
    run.figures.values_mut().for_each(|figures| figures.latencies.sort());
    for (peer, function) in functions {
        match function.peak_memory() {
            Ok(bytes) => _ = run.peak_memory.insert(peer, bytes),
            Err(error) => problems.push(format!("memory of {peer}: {error:#}")),
        }
        if let Err(error) = function.end().await {
            problems.push(format!("end of {peer}: {error:#}"));
        }
    }
    run
}

async fn take_turn(
    function: &mut Function,
    aws: &Aws,
    peer: Peer,
    batch: usize,
) -> Result<(Vec<Duration>, Duration, usize)> {
    let mut delivery = Delivery::of(batch)?;
    let (messages, cpu) = (aws.messages(), function.cpu()?);
    let mut latencies = Vec::with_capacity(TURN);
    for _ in 0..TURN {
        let now = now_ms()?;
        latencies.push(function.accept(delivery.at(now), now).await?.latency());
    }
    let queued = usize::try_from(aws.messages() - messages)?;
    ensure!(queued == if peer.queues() { TURN } else { 0 }, "{peer} queued {queued} of {TURN} deliveries");
    Ok((latencies, function.cpu()? - cpu, delivery.body_bytes()))
}

/// What came of a delivery when SQS never answered.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Silence {
    Answered {
        after: Duration,
        status: u64,
    },
    /// No answer for as long as anybody waited.
    CutOff,
}

/// Gives one delivery to `peer` while SQS takes the connection and the request, and says nothing.
pub(crate) async fn silence(workshop: &Workshop, peer: Peer) -> Result<Silence> {
    let aws = Aws::start(&workshop.authority, Sqs::Silent).await?;
    let mut function = Function::start(workshop, peer, SecretIn::Environment, &aws).await?;
    function.asks().await?;
    let now = now_ms()?;
    let answer = tokio::time::timeout(CUT_OFF, function.answer(Delivery::of(1)?.at(now), now)).await;
    let outcome = match answer {
        Ok(answer) => {
            let answer = answer?;
            let status = answer.status().context("the answer has no status")?;
            Silence::Answered { after: answer.latency(), status }
        }
        Err(_) => Silence::CutOff,
    };
    function.end().await?;
    Ok(outcome)
}
