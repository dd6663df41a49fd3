//! What a composed mail looks like, and where mails without a server go.
#![expect(clippy::unwrap_used, reason = "a test says what is wrong by failing")]

use insta::assert_snapshot;
use mail_parser::{MessageParser, MimeHeaders};
use proptest::prelude::*;
use report_worker::mailer::{Attachment, ComposeError, Directory, InlineImage, Mail, Mailer, Memory, Outcome, compose};

fn mail() -> Mail {
    Mail {
        message_id: "closed-deals.2026-11-22.1@bell.example".to_owned(),
        from: "Closing Bell <bell@example.com>".to_owned(),
        to: vec!["\"Müller, Jürgen\" <jm@example.com>".to_owned(), "anna@example.com".to_owned()],
        cc: Vec::new(),
        subject: "Closed deals: 2 won, 1 lost – 12 500,00 €".to_owned(),
        date: "2026-11-22T17:00:00Z".parse().unwrap(),
        text: "Won: Größe & Söhne, 12 500,00 EUR\nLost: none = 0\n".to_owned(),
        html: "<p>Won: <b>Größe &amp; Söhne</b>, a long line that goes on and on until it must be wrapped</p>"
            .to_owned(),
        references: vec![
            "closed-deals.2026-11-20.1@bell.example".to_owned(),
            "<closed-deals.2026-11-21.1@bell.example>".to_owned(),
        ],
        list_id: Some("closed-deals.example.com".to_owned()),
        images: Vec::new(),
        attachments: Vec::new(),
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
    X-Auto-Response-Suppress: OOF, AutoReply
    To: =?utf-8?b?TcO8bGxlciwgSsO8cmdlbg==?= <jm@example.com>, anna@example.com
    List-Id: <closed-deals.example.com>
    In-Reply-To: <closed-deals.2026-11-21.1@bell.example>
    References: <closed-deals.2026-11-20.1@bell.example>
     <closed-deals.2026-11-21.1@bell.example>
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

/// A PNG's first bytes, the boundaries of this mail as bytes, and every byte there is.
fn with_files() -> Mail {
    let bytes: Vec<u8> =
        b"\x89PNG\r\n\x1a\n\r\n--=_c8dbb3ed77e7089df331b19154452233--\r\n".iter().copied().chain(0..=255).collect();
    Mail {
        images: vec![InlineImage { content_id: "won.5f@closing-bell".to_owned(), bytes: bytes.clone() }],
        attachments: vec![
            Attachment {
                name: "closed-deals 2026-10.csv".to_owned(),
                content_type: "text/csv; charset=utf-8",
                bytes: "\u{feff}Größe,12.50\r\n--=_c8dbb3ed77e7089df331b19154452233--\r\n".into(),
            },
            Attachment {
                name: "Größe & Söhne – 売上 отчёт.xlsx".to_owned(),
                content_type: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
                bytes,
            },
        ],
        ..mail()
    }
}

#[test]
fn files_and_images_each_have_their_place() {
    let composed = composed(&with_files());
    let structure: Vec<&str> = composed
        .split("\r\n")
        .filter(|line| {
            line.starts_with("--=_")
                || ["Content-", " filename", " boundary", " type"].iter().any(|start| line.starts_with(start))
        })
        .collect();
    assert_snapshot!(structure.join("\n"), @r#"
    Content-Type: multipart/mixed;
     boundary="=_m_c8dbb3ed77e7089df331b19154452233"
    --=_m_c8dbb3ed77e7089df331b19154452233
    Content-Type: multipart/alternative;
     boundary="=_c8dbb3ed77e7089df331b19154452233"
    --=_c8dbb3ed77e7089df331b19154452233
    Content-Type: text/plain; charset=utf-8
    Content-Transfer-Encoding: quoted-printable
    --=_c8dbb3ed77e7089df331b19154452233
    Content-Type: multipart/related; type="text/html";
     boundary="=_r_c8dbb3ed77e7089df331b19154452233"
    --=_r_c8dbb3ed77e7089df331b19154452233
    Content-Type: text/html; charset=utf-8
    Content-Transfer-Encoding: quoted-printable
    --=_r_c8dbb3ed77e7089df331b19154452233
    Content-ID: <won.5f@closing-bell>
    Content-Disposition: inline; filename="chart-1.png"
    Content-Type: image/png
    Content-Transfer-Encoding: base64
    --=_r_c8dbb3ed77e7089df331b19154452233--
    --=_c8dbb3ed77e7089df331b19154452233--
    --=_m_c8dbb3ed77e7089df331b19154452233
    Content-Disposition: attachment; filename="closed-deals 2026-10.csv"
    Content-Type: text/csv; charset=utf-8
    Content-Transfer-Encoding: base64
    --=_m_c8dbb3ed77e7089df331b19154452233
    Content-Disposition: attachment;
     filename*0*=utf-8''Gr%C3%B6%C3%9Fe%20%26%20S%C3%B6hne%20%E2%80%93;
     filename*1*=%20%E5%A3%B2%E4%B8%8A%20%D0%BE%D1%82%D1%87%D1%91;
     filename*2*=%D1%82.xlsx
    Content-Type: application/vnd.openxmlformats-officedocument.spreadsheetml.sheet
    Content-Transfer-Encoding: base64
    --=_m_c8dbb3ed77e7089df331b19154452233--
    "#);
    let bytes = compose(&with_files()).unwrap();
    let read = MessageParser::default().parse(&bytes).unwrap();
    assert_eq!((read.text_body_count(), read.html_body_count(), read.attachment_count()), (1, 1, 3));
    let mail = with_files();
    let sent = mail.attachments.iter().map(|file| (file.name.as_str(), &file.bytes));
    let sent = [("chart-1.png", &mail.images[0].bytes)].into_iter().chain(sent);
    for (part, (name, bytes)) in read.attachments().zip(sent) {
        assert_eq!(part.attachment_name(), Some(name));
        assert!(part.contents() == bytes, "{name} arrives as it was sent");
    }
    assert_eq!(read.attachments().next().unwrap().content_id(), Some("won.5f@closing-bell"));
}

#[test]
fn the_name_of_a_file_is_only_a_name() {
    let long = format!("{}.xlsx", "ü".repeat(300));
    let cut = format!("{}.xlsx", "ü".repeat(60));
    for (name, sent) in [
        ("../../etc/passwd", "-..-etc-passwd"),
        ("C:\\deals.csv:stream", "C--deals.csv-stream"),
        ("a\r\nBcc: thief@example.com\r\n\r\n.csv", "a Bcc- thief@example.com .csv"),
        ("deals\"; filename=\"x.exe", "deals-; filename=-x.exe"),
        ("\u{202e}vsc.exe\u{200b}", "vsc.exe"),
        (".csv", "csv"),
        ("", "report"),
        (long.as_str(), cut.as_str()),
    ] {
        let attachment = Attachment { name: name.to_owned(), content_type: "text/csv", bytes: Vec::new() };
        let bytes = compose(&Mail { attachments: vec![attachment], ..mail() }).unwrap();
        let read = MessageParser::default().parse(&bytes).unwrap();
        assert_eq!(read.attachment(0).unwrap().attachment_name(), Some(sent), "{name:?}");
        assert_eq!(read.headers().len(), 12, "{name:?} adds no header");
    }
}

#[test]
fn a_mail_names_the_last_twenty_that_it_follows() {
    let references: Vec<String> = (0..50).map(|number| format!("closed-deals-{number}@bell.example")).collect();
    let composed = composed(&Mail { references, ..mail() });
    assert_eq!(header(&composed, "In-Reply-To"), "<closed-deals-49@bell.example>");
    let named = header(&composed, "References");
    assert_eq!((named.split(' ').count(), named.split(' ').next()), (20, Some("<closed-deals-30@bell.example>")));
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
    for id in ["", "deals", "closed deals.example.com", "deals.", "deals.x>\r\nBcc: x@y.z"] {
        let composed = compose(&Mail { list_id: Some(id.to_owned()), ..mail() });
        assert!(matches!(composed, Err(ComposeError::ListId { id: seen }) if seen == id), "{id:?}");
    }
    let attachment = Attachment { name: String::new(), content_type: "text/csv\r\nBcc: x@y.z", bytes: Vec::new() };
    let composed = compose(&Mail { attachments: vec![attachment], ..mail() });
    assert!(matches!(composed, Err(ComposeError::ContentType { .. })));
    let too_long = format!("{}@b", "x".repeat(1000));
    for id in ["", "a", "@", "a@", "a@b@c", "a b@c", "a@b>\r\nBcc: x@y.z", "ü@b", too_long.as_str()] {
        let named = |error| matches!(error, Err(ComposeError::MessageId { id: seen }) if seen == id);
        assert!(named(compose(&Mail { message_id: id.to_owned(), ..mail() })), "{id:?}");
        let image = InlineImage { content_id: id.to_owned(), bytes: Vec::new() };
        assert!(named(compose(&Mail { images: vec![image], ..mail() })), "{id:?}");
        assert!(named(compose(&Mail { references: vec![id.to_owned()], ..mail() })), "{id:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_gives_the_same_well_formed_mail_twice(subject in any::<String>(), name in any::<String>(), text in any::<String>()) {
        let from = format!("\"{}\" <bell@example.com>", name.replace(['"', '\\'], "'"));
        let bytes = text.clone().into_bytes();
        let attachments = vec![Attachment { name: subject.clone(), content_type: "text/csv", bytes }];
        let mail = Mail { subject, from, html: text.clone(), text, attachments, ..with_files() };
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
            "Date", "Message-ID", "From", "Subject", "Auto-Submitted", "X-Auto-Response-Suppress", "To", "List-Id",
            "In-Reply-To", "References", "MIME-Version", "Content-Type",
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
