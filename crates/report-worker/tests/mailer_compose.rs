//! What a composed mail looks like, and where mails without a server go.
#![expect(clippy::unwrap_used, reason = "a test says what is wrong by failing")]

use insta::assert_snapshot;
use proptest::prelude::*;
use report_worker::mailer::{ComposeError, Directory, Mail, Mailer, Memory, Outcome, compose};

fn mail() -> Mail {
    Mail {
        message_id: "closed-deals.2026-11-22.1@bell.example".to_owned(),
        from: "Closing Bell <bell@example.com>".to_owned(),
        to: vec!["\"Müller, Jürgen\" <jm@example.com>".to_owned(), "anna@example.com".to_owned()],
        subject: "Closed deals: 2 won, 1 lost – 12 500,00 €".to_owned(),
        date: "2026-11-22T17:00:00Z".parse().unwrap(),
        text: "Won: Größe & Söhne, 12 500,00 EUR\nLost: none = 0\n".to_owned(),
        html: "<p>Won: <b>Größe &amp; Söhne</b>, a long line that goes on and on until it must be wrapped</p>"
            .to_owned(),
        in_reply_to: Some("<closed-deals.2026-11-21.1@bell.example>".to_owned()),
    }
}

fn composed(mail: &Mail) -> String {
    String::from_utf8(compose(mail).unwrap()).unwrap()
}

/// The value of a header as it stands in the mail, unfolded.
fn header(mail: &str, name: &str) -> String {
    let head = mail.split("\r\n\r\n").next().unwrap().replace("\r\n ", " ");
    let lines: Vec<&str> = head.split("\r\n").filter_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).collect();
    assert_eq!(lines.len(), 1, "{name} stands once in {head}");
    lines[0].to_owned()
}

#[test]
fn a_whole_mail() {
    assert_snapshot!(composed(&mail()).replace("\r\n", "\n"), @r#"
    Date: Sun, 22 Nov 2026 17:00:00 +0000
    Message-ID: <closed-deals.2026-11-22.1@bell.example>
    From: "Closing Bell" <bell@example.com>
    Subject: Closed deals: 2 won, 1 lost =?utf-8?b?4oCT?= 12 500,00
     =?utf-8?b?4oKs?=
    Auto-Submitted: auto-generated
    To: =?utf-8?b?TcO8bGxlciwgSsO8cmdlbg==?= <jm@example.com>, anna@example.com
    In-Reply-To: <closed-deals.2026-11-21.1@bell.example>
    References: <closed-deals.2026-11-21.1@bell.example>
    MIME-Version: 1.0
    Content-Type: multipart/alternative;
     boundary="=_c8dbb3ed77e7089df331b19154452233"

    --=_c8dbb3ed77e7089df331b19154452233
    Content-Type: text/plain; charset=utf-8
    Content-Transfer-Encoding: quoted-printable

    Won: Gr=C3=B6=C3=9Fe & S=C3=B6hne, 12 500,00 EUR
    Lost: none =3D 0

    --=_c8dbb3ed77e7089df331b19154452233
    Content-Type: text/html; charset=utf-8
    Content-Transfer-Encoding: quoted-printable

    <p>Won: <b>Gr=C3=B6=C3=9Fe &amp; S=C3=B6hne</b>, a long line that goes on a=
    nd on until it must be wrapped</p>
    --=_c8dbb3ed77e7089df331b19154452233--
    "#);
}

#[test]
fn header_text_is_one_harmless_line() {
    let with_subject = |subject: &str| composed(&Mail { subject: subject.to_owned(), ..mail() });
    let injected = with_subject("Deal\r\nBcc: all@example.com\r\n\r\nbody\0\u{2028}end");
    assert_eq!(header(&injected, "Subject"), "Deal Bcc: all@example.com body end");
    assert!(!injected.contains("\nBcc"));
    assert_eq!(header(&with_subject(""), "Subject"), "");
    // Turned direction is taken out, right-to-left text stays.
    assert_eq!(header(&with_subject("\u{202e}100 EUR\u{202c}\u{2066}"), "Subject"), "100 EUR");
    assert_snapshot!(header(&with_subject("🔔 שלום"), "Subject"), @"=?utf-8?b?8J+UlCDXqdec15XXnQ==?=");
    let from = "\"Bell\r\nBcc: x@example.com\u{202e}\" <bell@example.com>".to_owned();
    assert_snapshot!(header(&composed(&Mail { from, ..mail() }), "From"), @"=?utf-8?b?QmVsbCBCY2M6IHhAZXhhbXBsZS5jb20=?= <bell@example.com>");
}

#[test]
fn a_subject_of_65536_characters_is_cut_to_what_servers_take() {
    for subject in ["x".repeat(65_536), "🔔".repeat(65_536), "word ".repeat(13_108)] {
        let composed = composed(&Mail { subject, ..mail() });
        let subject = header(&composed, "Subject");
        assert!(subject.len() < 3000, "{subject}");
        assert!(composed.lines().all(|line| line.len() <= 998), "lines are as short as RFC 5322 demands");
    }
}

#[test]
fn what_cannot_be_a_mail_is_named() {
    assert!(matches!(compose(&Mail { to: Vec::new(), ..mail() }), Err(ComposeError::NoRecipient)));
    for (bad, header) in [
        (Mail { to: vec!["anna@example.com".to_owned(), "ben".to_owned()], ..mail() }, "To"),
        (Mail { from: "ben".to_owned(), ..mail() }, "From"),
    ] {
        match compose(&bad) {
            Err(ComposeError::Address { header: seen, source }) => {
                assert_eq!((seen, source.address.as_str()), (header, "ben"));
            }
            other => panic!("{other:?}"),
        }
    }
    let too_long = format!("{}@b", "x".repeat(1000));
    for id in ["", "a", "@", "a@", "a@b@c", "a b@c", "a@b>\r\nBcc: x@y.z", "ü@b", too_long.as_str()] {
        let named = |error| matches!(error, Err(ComposeError::MessageId { id: seen }) if seen == id);
        assert!(named(compose(&Mail { message_id: id.to_owned(), ..mail() })), "{id:?}");
        assert!(named(compose(&Mail { in_reply_to: Some(id.to_owned()), ..mail() })), "{id:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_gives_the_same_well_formed_mail_twice(subject in any::<String>(), name in any::<String>(), text in any::<String>()) {
        let from = format!("\"{}\" <bell@example.com>", name.replace(['"', '\\'], "'"));
        let mail = Mail { subject, from, html: text.clone(), text, ..mail() };
        let bytes = compose(&mail).unwrap();
        prop_assert_eq!(&bytes, &compose(&mail).unwrap());
        prop_assert!(bytes.is_ascii());
        let text = String::from_utf8(bytes).unwrap();
        prop_assert!(!text.replace("\r\n", "").contains(['\r', '\n']), "every line ends with CR LF");
        prop_assert!(text.split("\r\n").all(|line| line.len() <= 998));
        let head = text.split("\r\n\r\n").next().unwrap();
        let names: Vec<&str> = head
            .split("\r\n")
            .filter(|line| !line.starts_with([' ', '\t']))
            .map(|line| line.split(':').next().unwrap())
            .collect();
        prop_assert_eq!(names, [
            "Date", "Message-ID", "From", "Subject", "Auto-Submitted", "To", "In-Reply-To", "References",
            "MIME-Version", "Content-Type",
        ]);
    }
}

#[tokio::test]
async fn a_folder_gets_one_whole_file_for_all_recipients() {
    let folder = tempfile::tempdir().unwrap();
    let outbox = folder.path().join("made/when/needed");
    let mailer = Mailer::from_url(&format!("file:{}", outbox.display())).unwrap();
    let mail = mail();
    let bytes = compose(&mail).unwrap();
    let file = outbox.join("2026-11-22T170000Z-closed-deals.2026-11-22.1@bell.example.eml");
    for recipient in ["jm@example.com", "anna@example.com"] {
        let outcome = mailer.send(&mail.from, recipient, &mail.message_id, &bytes).await;
        assert_eq!(outcome, Outcome::Accepted { reply: format!("written to {}", file.display()) });
    }
    let files: Vec<_> = std::fs::read_dir(&outbox).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files, std::slice::from_ref(&file));
    assert_eq!(std::fs::read(&file).unwrap(), bytes);
    assert_eq!(Directory::new(&outbox).file_of(&mail.message_id, &bytes), file);
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_defers() {
    let folder = tempfile::tempdir().unwrap();
    let in_the_way = folder.path().join("file");
    std::fs::write(&in_the_way, "").unwrap();
    let mailer = Mailer::from_url(&format!("file:{}", in_the_way.display())).unwrap();
    match mailer.send("a@example.com", "b@example.com", "id@b", b"mail").await {
        Outcome::Deferred { reply } => assert!(reply.contains("undated-id@b.eml"), "{reply}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn memory_keeps_what_it_is_given() {
    let memory = Memory::default();
    let mailer = Mailer::Memory(memory.clone());
    let outcome = mailer.send("a@example.com", "b@example.com", "id@b", b"mail").await;
    assert!(matches!(outcome, Outcome::Accepted { .. }));
    let sent = memory.sent().remove(0);
    assert_eq!((sent.from.as_str(), sent.recipient.as_str()), ("a@example.com", "b@example.com"));
    assert_eq!((sent.message_id.as_str(), sent.bytes.as_slice()), ("id@b", b"mail".as_slice()));
}
