//! The mails as people see them, in a real browser.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use mail_parser::MessageParser;
use report_worker::report::{Document, html};
use serde_json::json;

use crate::browser::{Browser, Scheme};
use crate::demo;

/// A telephone, and a desktop.
const WIDTHS: [u32; 2] = [375, 1200];

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_s_mails_can_be_read_on_every_screen() {
    let folder = tempfile::tempdir().unwrap();
    let browser = Browser::new();
    let mut dom_of_all = String::new();
    for (number, file) in (1..).zip(demo::mails(folder.path()).await) {
        let bytes = fs::read(&file).unwrap();
        let mail = MessageParser::default().parse(&bytes).unwrap();
        let text = mail.body_text(0).unwrap();
        let page = page(folder.path(), &format!("mail-{number}"), &mail.body_html(0).unwrap());
        for width in WIDTHS {
            for scheme in [Scheme::Light, Scheme::Dark] {
                let seen = browser.look(&page, width, scheme).await;
                assert_eq!(seen.width, width, "the window is as wide as the screen");
                assert!(seen.widest <= width, "{number} is {} wide at {width}", seen.widest);
                assert!(
                    seen.contrast >= 4.5,
                    "{number}, {scheme:?} at {width}: {} at “{}”",
                    seen.contrast,
                    seen.faintest
                );
                for amount in amounts(&text) {
                    assert!(
                        seen.dom.contains(&amount),
                        "{amount} of the text part is not in the HTML part of {number}"
                    );
                }
                let target = screenshots().join(format!("{number}-{width}-{scheme:?}.png").to_lowercase());
                browser.photograph(&page, width, seen.height, scheme, &target).await;
                assert_eq!(png_width(&target), width);
                dom_of_all.push_str(&seen.dom);
            }
        }
    }
    for told in [
        "Website relaunch",
        "€12,300.00",
        "−€12,300.00",
        "Müller &amp; Söhne GmbH",
        "Café Lumière 🌟",
        "Tomasz Wójcik",
        "$26,899.99",
        "INV-2044",
        "€6,150.00",
    ] {
        assert!(dom_of_all.contains(told), "{told} is in none of the mails");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_name_is_only_text() {
    let run = "document.documentElement.dataset.ran=1";
    let hostile = [
        format!("<script>{run}</script>"),
        format!("<img src=x onerror=\"{run}\">"),
        format!("\" onmouseover=\"{run}\" autofocus onfocus=\"{run}\" x=\""),
        format!("</title></style></td></table><svg onload={run}>"),
        "{{ 7 * 7 }}{% raw %}".to_owned(),
    ];
    // As long as a report lets a name be.
    let wide = format!("{}…", "W".repeat(120));
    let folder = tempfile::tempdir().unwrap();
    let browser = Browser::new();
    let control = page(folder.path(), "control", &format!("<html><body>{}</body></html>", hostile[1]));
    assert!(browser.look(&control, 375, Scheme::Light).await.dom.contains("data-ran"), "the trap is set");

    let everywhere = hostile.concat();
    let rows = hostile.iter().chain([&wide]).map(|text| {
        let cell = json!({ "value": { "text": text } });
        json!({ "name": text, "url": "https://app.hubspot.com/", "cells": [cell, cell], "notes": [text] })
    });
    let document = json!({
        "name": "hostile", "locale": { "language": "en", "dates": "local" },
        "title": everywhere, "subject": everywhere, "date": "22 Nov 2026",
        "headlines": [{ "label": everywhere, "count": 1, "sums": [] }],
        "sections": [{
            "key": "hostile", "title": everywhere, "record_column": "Record",
            "columns": [{ "title": hostile[2], "kind": "text" }, { "title": "Amount", "kind": "money" }],
            "total": { "column": 1, "sums": [{ "currency": "EUR", "minor": "700" }] },
            "rows": rows.collect::<Vec<_>>(), "left_out": 0, "cut": 0,
        }],
        "notes": [everywhere],
    });
    let document: Document = serde_json::from_value(document).unwrap();
    let page = page(folder.path(), "hostile", &html(&document));
    for width in WIDTHS {
        let seen = browser.look(&page, width, Scheme::Light).await;
        assert!(!seen.dom.contains("data-ran"), "a name ran as a script");
        assert!(seen.widest <= width, "a name makes the page {} wide at {width}", seen.widest);
        for told in ["&lt;script&gt;document", "{{ 7 * 7 }}{% raw %}"] {
            assert!(seen.dom.contains(told), "{told} is not shown as it is");
        }
    }
}

/// The HTML part as a file.
fn page(folder: &Path, name: &str, html: &str) -> PathBuf {
    let file = folder.join(format!("{name}.html"));
    fs::write(&file, html).unwrap();
    file
}

/// Everything in a text that is an amount of money.
fn amounts(text: &str) -> BTreeSet<String> {
    let is_money = |word: &&str| word.trim_start_matches('−').starts_with(['€', '$']);
    let words = text.split_whitespace().filter(is_money).map(|word| word.trim_end_matches([',', '.']).to_owned());
    let found: BTreeSet<String> = words.collect();
    assert!(!found.is_empty(), "{text}");
    found
}

/// Where the pictures lie for people to look at: target/screenshots.
fn screenshots() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("screenshots");
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// The width that a PNG's header gives (PNG, 11.2.1), after making sure that it is one and not blank.
fn png_width(file: &Path) -> u32 {
    let bytes = fs::read(file).unwrap();
    assert!(bytes.starts_with(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"), "{} is no PNG", file.display());
    assert!(bytes.len() > 10_000, "{} is blank", file.display());
    u32::from_be_bytes(bytes[16..20].try_into().unwrap())
}
