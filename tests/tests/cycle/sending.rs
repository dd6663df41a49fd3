//! Sending: one state per recipient under one Message-ID; an uncertain send is repeated and never counted as sent.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use hubspot_simulator::Kind;
use report_worker::mailer::Mailer;
use report_worker::store::{Engine, MailState};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::world::World;

/// What the mail server does with a recipient, in turn; `Take` once there is nothing left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    Take,
    Refuse,
    Later,
    /// Takes the message and hangs up before the answer.
    HangUp,
    /// Takes the message and never answers.
    Hang,
}

/// A mail server of few words.
#[derive(Debug, Clone, Default)]
struct Server {
    turns: Arc<Mutex<VecDeque<Turn>>>,
    /// Recipient and Message-ID of every message that came over whole.
    messages: Arc<Mutex<Vec<(String, String)>>>,
}

impl Server {
    async fn start(turns: &[Turn]) -> (Self, Mailer) {
        let server = Self { turns: Arc::new(Mutex::new(turns.iter().copied().collect())), ..Self::default() };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("smtp://{}", listener.local_addr().unwrap());
        let at_work = server.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(at_work.clone().serve(stream));
            }
        });
        (server, Mailer::from_url(&url).unwrap())
    }

    async fn serve(self, stream: TcpStream) -> std::io::Result<()> {
        let (read, mut write) = stream.into_split();
        let mut lines = BufReader::new(read).lines();
        let (mut turn, mut recipient) = (Turn::Take, String::new());
        write.write_all(b"220 ready\r\n").await?;
        while let Some(line) = lines.next_line().await? {
            let answer = match line.split([':', ' ']).next().unwrap_or_default().to_ascii_uppercase().as_str() {
                "RCPT" => {
                    turn = self.turns.lock().unwrap().pop_front().unwrap_or(Turn::Take);
                    recipient = line.split(['<', '>']).nth(1).unwrap().to_owned();
                    match turn {
                        Turn::Refuse => "550 5.1.1 no such mailbox",
                        Turn::Later => "451 4.3.0 try again later",
                        _ => "250 fine",
                    }
                }
                "DATA" => {
                    write.write_all(b"354 go on\r\n").await?;
                    let mut id = String::new();
                    while let Some(line) = lines.next_line().await?.filter(|line| line != ".") {
                        if let Some(value) = line.strip_prefix("Message-ID: ") {
                            id = value.to_owned();
                        }
                    }
                    self.messages.lock().unwrap().push((recipient.clone(), id));
                    match turn {
                        Turn::HangUp => return Ok(()),
                        Turn::Hang => std::future::pending().await,
                        _ => "250 taken",
                    }
                }
                "QUIT" => "221 bye",
                _ => "250 fine",
            };
            write.write_all(format!("{answer}\r\n").as_bytes()).await?;
        }
        Ok(())
    }

    fn messages(&self) -> Vec<(String, String)> {
        self.messages.lock().unwrap().clone()
    }
}

/// A world with a report that is to be sent now to Anna and to Ben.
async fn world(mailer: Mailer) -> World {
    let to = vec!["Anna <anna@example.com>".to_owned(), "ben@example.com".to_owned()];
    let change = |choice: &mut crate::world::Choice| {
        choice.mailer = Some(mailer);
        choice.mail_to = to;
    };
    let mut world = World::open_with(change, |_| {}).await;
    world.create(Kind::Deal, &[("amount", "1"), ("dealstage", "closedwon")]).await;
    world.cycle().await;
    world.clock.advance(300_000);
    world
}

async fn states(world: &World) -> Vec<(String, MailState, u32)> {
    let states = world.app.store.mail_states().await.unwrap();
    states.into_iter().map(|state| (state.address, state.state, state.attempts)).collect()
}

fn state(address: &str, state: MailState, attempts: u32) -> (String, MailState, u32) {
    (format!("{address}@example.com"), state, attempts)
}

#[tokio::test]
async fn a_refused_recipient_is_told_to_the_owner_once_and_holds_nobody_back() {
    let (server, mailer) = Server::start(&[Turn::Refuse]).await;
    let world = world(mailer).await;
    let summary = world.cycle().await;
    assert_eq!((summary.reports, summary.mails_sent, summary.mails_given_up), (1, 2, 1));
    let expected =
        [state("anna", MailState::Refused, 1), state("ben", MailState::Sent, 1), state("owner", MailState::Sent, 1)];
    assert_eq!(states(&world).await, expected);
    assert!(world.cycle_after(86_400).await.is_idle());
    let recipients: Vec<String> = server.messages().into_iter().map(|(recipient, _)| recipient).collect();
    assert_eq!(recipients, ["ben@example.com", "owner@example.com"]);
}

#[tokio::test]
async fn a_mail_about_trouble_that_is_refused_too_makes_no_third() {
    let (server, mailer) = Server::start(&[Turn::Refuse, Turn::Take, Turn::Refuse]).await;
    let world = world(mailer).await;
    assert_eq!(world.cycle().await.mails_given_up, 2);
    assert!(world.cycle_after(86_400).await.is_idle());
    assert_eq!(server.messages().len(), 1);
}

#[tokio::test]
async fn what_may_pass_is_tried_again_and_what_is_unknown_is_repeated_under_one_message_id() {
    let (server, mailer) = Server::start(&[Turn::Later, Turn::HangUp, Turn::HangUp]).await;
    let world = world(mailer).await;
    let summary = world.cycle().await;
    assert_eq!((summary.reports, summary.mails_sent, summary.mails_given_up), (1, 0, 0));
    assert_eq!(states(&world).await, [state("anna", MailState::Waiting, 1), state("ben", MailState::Unknown, 1)]);
    assert!(world.cycle_after(59).await.mails_sent == 0 && server.messages().len() == 1, "not before a minute");
    // Anna's mail hangs up now, too.
    assert_eq!(world.cycle_after(1).await.mails_sent, 1);
    assert_eq!(states(&world).await, [state("anna", MailState::Unknown, 2), state("ben", MailState::Sent, 2)]);
    assert_eq!(world.cycle_after(119).await.mails_sent, 0);
    assert_eq!(world.cycle_after(1).await.mails_sent, 1);
    assert_eq!(states(&world).await, [state("anna", MailState::Sent, 3), state("ben", MailState::Sent, 2)]);
    let messages = server.messages();
    assert_eq!(messages.len(), 4);
    assert!(messages.iter().all(|(_, id)| id.contains("closed-deals-") && *id == messages[0].1), "{messages:?}");
}

#[tokio::test]
async fn a_crash_while_sending_leads_to_the_same_mail_again() {
    // At once only where nobody else can be sending it.
    for at_once in [crate::ENGINE == Engine::Sqlite, false] {
        let (server, mailer) = Server::start(&[Turn::Hang]).await;
        let world = world(mailer).await;
        let cycle = world.cycle();
        let sent = async {
            while server.messages().is_empty() {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            _ = cycle => panic!("the server never answers"),
            () = sent => {}
        }
        // The cycle is gone in the middle of its work, as with kill -9.
        assert_eq!(states(&world).await, [state("anna", MailState::Sending, 1), state("ben", MailState::Waiting, 0)]);
        if at_once {
            assert_eq!(world.cycle().await.mails_sent, 1, "somebody else may still be sending Anna's");
            assert_eq!(world.app.store.take_up_interrupted_mails(world.now()).await.unwrap(), 1);
            assert_eq!(world.cycle().await.mails_sent, 1);
        } else {
            assert_eq!(world.cycle_after(59).await.mails_sent, 1, "somebody else may still be sending Anna's");
            // The claim began a moment after the cycle did.
            assert_eq!(world.cycle_after(10).await.mails_sent, 1);
        }
        assert_eq!(states(&world).await, [state("anna", MailState::Sent, 2), state("ben", MailState::Sent, 1)]);
        let ids: Vec<String> = server.messages().into_iter().map(|(_, id)| id).collect();
        assert!(ids.len() == 3 && ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    }
}

#[tokio::test]
async fn after_three_days_a_mail_is_given_up_and_the_owner_is_told() {
    let (server, mailer) = Server::start(&[Turn::Later; 151]).await;
    let world = world(mailer).await;
    for _ in 0..75 {
        assert_eq!(world.cycle_after(3_600).await.mails_given_up, 0);
    }
    // Ben's 76th attempt succeeds.
    let summary = world.cycle_after(3_600).await;
    assert_eq!((summary.mails_given_up, summary.mails_sent), (1, 2));
    let recipients: Vec<String> = server.messages().into_iter().map(|(recipient, _)| recipient).collect();
    assert_eq!(recipients, ["ben@example.com", "owner@example.com"]);
}
