//! The books for whoever only looks, in every engine.

use jiff::{SignedDuration, Timestamp};
use report_worker::store::{
    Books, Delivery, Glance, MailState, NewReport, OutgoingMail, RawBody, SetAside, Store, StoreError,
};

use crate::mysql;

fn minute(minute: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minute)
}

fn mail(number: i64) -> OutgoingMail {
    OutgoingMail {
        message_id: format!("{number:02}@b"),
        sender: "bell@example.com".to_owned(),
        subject: format!("Größe {number}"),
        recipients: vec!["b@example.com".to_owned(), "a@example.com".to_owned()],
        bytes: vec![0xff, b'\n', u8::try_from(number).unwrap()],
    }
}

fn delivery(number: u8, aside_count: usize) -> Delivery {
    let aside = |member| SetAside { member, cause: format!("cause {number}.{member}"), raw: String::new() };
    Delivery {
        id: [number; 16],
        received_at: minute(number.into()),
        signature_version: "v3".to_owned(),
        correlation_id: None,
        body: RawBody::Plain(b"[]".to_vec()),
        events: vec![],
        set_aside: (0..aside_count).map(aside).collect(),
    }
}

#[tokio::test]
async fn counts_mails_and_what_was_set_aside() {
    let folder = tempfile::tempdir().unwrap();
    for books in [Books::Sqlite(folder.path().join("books.sqlite")), mysql::database().await] {
        let store = Store::open(&books).await.unwrap();
        let looking = Store::to_glance_at(&books).unwrap();
        assert_eq!(looking.glance(minute(0)).await.unwrap(), Glance::default(), "{books:?}");

        store.take_in(&[delivery(10, 2), delivery(30, 0), delivery(20, 1)], minute(31)).await.unwrap();
        for number in 0..7 {
            // Two have the same moment each.
            store.store_mail(&mail(number), minute(40 + number / 2)).await.unwrap();
        }
        let report = NewReport {
            id: "r".to_owned(),
            name: "invoices".to_owned(),
            definition_hash: String::new(),
            document: "{}".to_owned(),
            changes: vec![],
            lines: vec![],
        };
        store.store_report(&report, Some(&mail(7)), minute(50)).await.unwrap();
        let waiting = store.mails_to_send(minute(60), 99).await.unwrap();
        for (waiting, state) in waiting.iter().zip([MailState::Refused, MailState::Unknown, MailState::Sent]) {
            assert!(store.claim_mail(waiting, minute(70), minute(60)).await.unwrap());
            store.set_mail_state(waiting, state, "said", None, minute(61)).await.unwrap();
        }

        let glance = looking.glance(minute(20)).await.unwrap();
        let expected = Glance {
            deliveries: 2,
            newest_delivery_at: Some(minute(30)),
            reports: 1,
            mails_waiting: 13,
            mails_unknown: 1,
            ..Glance::default()
        };
        assert_eq!(glance, expected, "{books:?}");
        assert_eq!(looking.glance(minute(51)).await.unwrap().reports, 0);
        assert_eq!(looking.refused_since(minute(61)).await.unwrap(), 1);
        assert_eq!(looking.refused_since(minute(62)).await.unwrap(), 0);

        let mut pages = Vec::new();
        let mut before: Option<(Timestamp, String)> = None;
        loop {
            let place = before.as_ref().map(|(at, id)| (*at, id.as_str()));
            let page = looking.newest_mails(place, 3).await.unwrap();
            let Some(last) = page.last() else { break };
            before = Some((last.created_at, last.message_id.clone()));
            pages.push(page.into_iter().map(|head| head.message_id).collect::<Vec<_>>().join(" "));
        }
        assert_eq!(pages, ["07@b 06@b 05@b", "04@b 03@b 02@b", "01@b 00@b"], "{books:?}");

        let (head, bytes) = looking.mail("00@b").await.unwrap().unwrap();
        assert_eq!((head.subject.as_str(), head.is_report, bytes), ("Größe 0", false, mail(0).bytes));
        let recipients: Vec<_> =
            head.recipients.iter().map(|to| (to.address.as_str(), to.state, to.reply.as_deref())).collect();
        let refused = ("a@example.com", MailState::Refused, Some("said"));
        assert_eq!(recipients, [refused, ("b@example.com", MailState::Unknown, Some("said"))]);
        assert!(looking.mail("07@b").await.unwrap().unwrap().0.is_report);
        assert!(looking.mail("nobody@b").await.unwrap().is_none());

        let aside = looking.newest_set_aside(2).await.unwrap();
        let aside: Vec<_> = aside.iter().map(|event| (event.received_at, event.cause.as_str())).collect();
        assert_eq!(aside, [(minute(20), "cause 20.0"), (minute(10), "cause 10.0")], "{books:?}");

        // Whoever looks cannot write.
        assert!(matches!(looking.set_fact("x", &1).await, Err(StoreError::Database(_))), "{books:?}");
        assert_eq!(store.fact::<i64>("x").await.unwrap(), None);
    }
}
