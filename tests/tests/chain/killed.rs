//! `kill -9`: nothing that was accepted is lost, and nothing is told twice.

use hubspot_simulator::{Kind, Settings, Simulator};
use report_worker::store::MailState;

use crate::crash::{Local, Round, play};
use crate::harness::until;
use end_to_end::SmtpServer;

#[tokio::test(flavor = "multi_thread")]
async fn a_load_survives_three_kills() {
    let figures = play(Round { seed: 20_261_122, records: 60, kills: 3 }).await;
    println!("{figures}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_that_was_being_sent_is_sent_again_as_the_same_mail() {
    let mut server = SmtpServer::start(&["--slow"]).await;
    let folder = tempfile::tempdir().unwrap();
    let simulator = Simulator::start(Settings::default()).await.unwrap();
    let mut local = Local::start(folder.path(), &simulator, &server.url("smtp://")).await;
    simulator.set_target_url(local.url());
    let account = simulator.account();
    let deal = account.create(Kind::Deal, &[("dealname", "Harbour crane"), ("amount", "48200.10")]);
    account.set(Kind::Deal, deal, &[("dealstage", "closedwon")]);
    until("the mail is with the server", async || server.taken().pop()).await;

    local.kill_and_restart().await;
    until("the mail is with the server again", async || (server.taken().len() == 2).then_some(())).await;
    let store = local.store().await;
    let state = async || store.mail_states().await.unwrap().remove(0);
    assert_eq!(state().await.state, MailState::Sending, "still nobody has said that it arrived");
    server.release().await;
    until("the mail is sent", async || (state().await.state == MailState::Sent).then_some(())).await;
    assert_eq!(state().await.attempts, 2);
    let taken = server.taken();
    assert_eq!(taken.len(), 2);
    assert_eq!(taken[0].bytes, taken[1].bytes, "byte for byte the same mail, its Message-ID included");
}
