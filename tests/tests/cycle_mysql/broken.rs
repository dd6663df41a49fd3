//! Connections to the books that break at a chosen statement.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use end_to_end::{mysql_database, mysql_server};
use hubspot_simulator::Kind;
use report_worker::store::{Books, Store};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

use crate::world::World;

/// What breaks all connections: the first of these statements, then the next one.
#[derive(Clone, Default)]
struct Breaking {
    statements: Arc<Mutex<VecDeque<&'static str>>>,
    breaks: Arc<Notify>,
}

impl Breaking {
    fn at(&self, statements: [&'static str; 2]) {
        self.statements.lock().unwrap().extend(statements);
    }

    fn is_over(&self) -> bool {
        self.statements.lock().unwrap().is_empty()
    }

    /// Whether everything breaks at what is sent here.
    fn breaks_at(&self, sent: &[u8]) -> bool {
        let is_there = |statement: &str| sent.windows(statement.len()).any(|part| part == statement.as_bytes());
        let breaks = self.statements.lock().unwrap().pop_front_if(|statement| is_there(statement)).is_some();
        if breaks {
            self.breaks.notify_waiters();
        }
        breaks
    }
}

/// A world whose books are behind such connections, and where a deal is won.
async fn world() -> (World, Breaking) {
    let (mut world, breaking) = (World::open(|_| {}).await, Breaking::default());
    let books: Books = listen(breaking.clone()).await.parse().unwrap();
    world.app.store = Store::open(&books).await.unwrap();
    assert_eq!(world.cycle().await.problems, [""; 0]);
    world.clock.advance(1_000);
    world.create(Kind::Deal, &[("amount", "1"), ("dealstage", "closedwon")]).await;
    (world, breaking)
}

/// Listens in front of the server; answers with the URL of an empty database there.
async fn listen(breaking: Breaking) -> String {
    let database = mysql_database().await;
    let server = mysql_server().rsplit_once('@').unwrap().1.to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = database.replace(&server, &listener.local_addr().unwrap().to_string());
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let server = TcpStream::connect(&server).await.unwrap();
            tokio::spawn(pass_on(client, server, breaking.clone()));
        }
    });
    url
}

/// Until one of both closes, or everything breaks.
async fn pass_on(client: TcpStream, server: TcpStream, breaking: Breaking) {
    let ((mut asks, mut hears), (mut answers, mut gets)) = (client.into_split(), server.into_split());
    let mut packet = vec![0; 1 << 16];
    let length = answers.read(&mut packet).await.unwrap();
    offer_no_tls(&mut packet[..length]);
    hears.write_all(&packet[..length]).await.unwrap();
    let back = tokio::spawn(async move { tokio::io::copy(&mut answers, &mut hears).await });
    loop {
        let length = tokio::select! {
            length = asks.read(&mut packet) => length.unwrap_or_default(),
            () = breaking.breaks.notified() => break,
        };
        let sent = &packet[..length];
        if length == 0 || breaking.breaks_at(sent) || gets.write_all(sent).await.is_err() {
            break;
        }
    }
    back.abort();
}

/// Takes TLS from what the server can do, in its greeting (MySQL's Protocol::HandshakeV10): a header of 4 bytes, a byte, the
/// server's version up to a zero, 13 bytes, and the flags, of which TLS is in the second byte.
fn offer_no_tls(greeting: &mut [u8]) {
    const CLIENT_SSL: u8 = 1 << 3;
    let version = greeting[5..].iter().position(|byte| *byte == 0).unwrap();
    greeting[5 + version + 1 + 13 + 1] &= !CLIENT_SSL;
}

#[tokio::test]
async fn a_store_that_breaks_as_it_is_asked_whether_it_answers_gives_back_what_was_received() {
    let (world, breaking) = world().await;
    // The delivery's transaction, and then the question whether it was the delivery's fault.
    breaking.at(["SELECT id FROM deliveries", "UPDATE facts"]);
    let summary = world.cycle().await;
    assert!(breaking.is_over(), "both have broken: {summary:?}");
    assert_eq!(summary.deliveries, 0);
    assert!(matches!(&summary.problems[..], [problem] if problem.starts_with("take in: ")), "{summary:?}");
    let depth = world.app.queue.depth(world.now()).await.unwrap();
    assert_eq!((depth.waiting, depth.in_flight), (1, 0), "nobody waits for a visibility timeout");
    assert_eq!(world.cycle().await.changes, 1);
}

#[tokio::test]
async fn a_connection_that_breaks_twice_is_not_taken_for_a_fault_of_the_delivery() {
    let (world, breaking) = world().await;
    breaking.at(["SELECT id FROM deliveries"; 2]);
    let summary = world.cycle().await;
    assert!(breaking.is_over(), "both have broken: {summary:?}");
    assert_eq!((summary.deliveries, summary.changes, &summary.problems[..]), (1, 1, &[][..]));
}
