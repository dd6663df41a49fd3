//! Every kind of event as a file under `tests/payloads/events`, each with the snapshot of what is read from it; and what
//! a body can get wrong.

use std::collections::HashSet;
use std::error::Error;
use std::fs;
use std::path::Path;

use data_encoding::HEXLOWER;
use hubspot_webhook::event::{BodyError, Event, MemberError, ObjectType, parse};

fn one(body: &str) -> Result<Event, MemberError> {
    let mut members = parse(body.as_bytes()).expect("tests give lists");
    assert_eq!(members.len(), 1);
    members.remove(0).map_err(|bad| bad.cause)
}

/// A deal's creation with other fields added after its own; of doubled fields the last one counts.
fn deal(fields: &str) -> Result<Event, MemberError> {
    one(&format!(
        r#"[{{"portalId":1,"objectId":2,"occurredAt":3,"subscriptionType":"deal.creation","eventId":4{fields}}}]"#
    ))
}

#[test]
fn every_kind_of_event_is_read() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/payloads/events");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 28, "only {} files", files.len());
    for file in files {
        let name = file.file_stem().unwrap().to_str().unwrap();
        insta::assert_debug_snapshot!(name, parse(&fs::read(&file).unwrap()));
    }
}

#[test]
fn a_full_batch_is_read_whole() {
    let events = parse(include_bytes!("../../../tests/payloads/batch_of_100.json")).unwrap();
    let keys: HashSet<[u8; 32]> = events.iter().map(|event| event.as_ref().unwrap().dedupe_key()).collect();
    assert_eq!((events.len(), keys.len()), (100, 100));
}

#[test]
fn bodies_that_are_no_list_of_events_are_named() {
    let error = |body: &[u8]| parse(body).unwrap_err();
    assert_eq!(error(b""), BodyError::Empty);
    assert_eq!(error(b" \r\n"), BodyError::Empty);
    assert_eq!(error(b"[\xff]"), BodyError::NotUtf8 { at: 1 });
    assert_eq!(error(b"[{}"), BodyError::NotJson { line: 1, column: 3 });
    assert_eq!(error(b"[] []"), BodyError::NotJson { line: 1, column: 4 });
    assert_eq!(error(b"null"), BodyError::NotAnArray { found: "null" });
    assert_eq!(error(b"-1"), BodyError::NotAnArray { found: "a number" });
    assert_eq!(error(b"\"x\""), BodyError::NotAnArray { found: "a string" });
    assert_eq!(error(b"true"), BodyError::NotAnArray { found: "a boolean" });
    assert_eq!(parse(b"[]"), Ok(vec![]));
}

#[test]
fn one_bad_member_loses_no_other() {
    let good = r#"{"portalId":1,"objectId":2,"occurredAt":3,"subscriptionType":"deal.creation"}"#;
    let unreadable = |value: &str| format!(r#"{{"eventType":"a.b","portalId":1,"occurredAt":3,"c":{value}}}"#);
    let deep = unreadable(&format!("{}{}", "[".repeat(500), "]".repeat(500)));
    let bad = ["null", "7", "\"text\"", "[1]", "{}", &unreadable("\"\\ud800\""), &deep];
    let body = format!("[{good},{},{good}]", bad.join(","));
    let members = parse(body.as_bytes()).unwrap();
    assert_eq!(members.len(), bad.len() + 2);
    assert!(members[0].is_ok() && members[bad.len() + 1].is_ok());
    for (index, raw) in bad.iter().enumerate() {
        let member = members[index + 1].as_ref().unwrap_err();
        assert_eq!((member.index, member.raw.as_str()), (index + 1, *raw));
    }
    let texts: Vec<String> =
        members.iter().filter_map(|member| Some(member.as_ref().err()?.source()?.to_string())).collect();
    insta::assert_debug_snapshot!(texts, @r#"
    [
        "it is null, not an object",
        "it is a number, not an object",
        "it is a string, not an object",
        "it is an array, not an object",
        "`subscriptionType` is missing",
        "it is JSON that cannot be represented",
        "it is JSON that cannot be represented",
    ]
    "#);
}

#[test]
fn whole_numbers_are_exact_or_refused_by_name() {
    let id = |text: &str| deal(&format!(",\"objectId\":{text}")).map(|event| event.objects[0].id);
    assert_eq!(id("9007199254740993"), Ok(9_007_199_254_740_993));
    assert_eq!(id("\"9007199254740993\""), Ok(9_007_199_254_740_993));
    assert_eq!(id("9223372036854775807"), Ok(i64::MAX));
    assert_eq!(id("9223372036854775808"), Err(MemberError::OutOfRange("objectId")));
    assert_eq!(id("\"123456789012345678901234567890\""), Err(MemberError::OutOfRange("objectId")));
    for text in ["-1", "1.0", "1e3", "\"\"", "\"+5\"", "\" 5\"", "true", "[5]", "{}"] {
        assert_eq!(id(text), Err(MemberError::NotWhole("objectId")), "{text}");
    }
    assert_eq!(id("null"), Err(MemberError::Missing("objectId")));
}

#[test]
fn what_an_event_needs_is_named_and_the_rest_is_optional() {
    for field in ["portalId", "objectId", "occurredAt", "subscriptionType"] {
        assert_eq!(deal(&format!(",\"{field}\":null")), Err(MemberError::Missing(field)));
    }
    let event = deal(r#","eventId":null"#).unwrap();
    assert_eq!((event.event_id, event.app_id, event.attempt_number, event.property_name), (None, None, None, None));
    assert_eq!(deal(r#","propertyName":5"#), Err(MemberError::WrongType("propertyName")));
    assert_eq!(deal(r#","subscriptionType":"object.creation""#), Err(MemberError::Missing("objectTypeId")));
    assert_eq!(deal(r#","subscriptionType":"deal.merge""#), Err(MemberError::Missing("primaryObjectId")));
    assert_eq!(
        deal(r#","subscriptionType":"deal.merge","primaryObjectId":1,"mergedObjectIds":7"#),
        Err(MemberError::WrongType("mergedObjectIds"))
    );
    assert_eq!(deal(r#","subscriptionType":"deal.associationChange""#), Err(MemberError::Missing("fromObjectId")));
    let ends = r#","subscriptionType":"object.associationChange","fromObjectId":1,"toObjectId":2"#;
    assert_eq!(deal(ends), Err(MemberError::Missing("fromObjectTypeId")));
}

#[test]
fn a_value_in_place_of_a_string_keeps_its_text() {
    let value = |text: &str| deal(&format!(",\"propertyValue\":{text}")).unwrap().property_value;
    assert_eq!(value("1000.500000000000000000001").as_deref(), Some("1000.500000000000000000001"));
    assert_eq!(value("false").as_deref(), Some("false"));
    assert_eq!(value("\"\"").as_deref(), Some(""));
    assert_eq!(value("null"), None);
    assert_eq!(value("\"R\\u00fcck\\n\\ud83d\\ude00\"").as_deref(), Some("Rück\n😀"));
}

#[test]
fn of_a_doubled_field_the_last_counts_and_unknown_ones_stay() {
    let event = deal(r#","eventId":5,"later":{"a":[1,2]},"later":"x""#).unwrap();
    assert_eq!(event.event_id, Some(5));
    assert_eq!(serde_json::to_string(&event.extra).unwrap(), r#"{"later":"x"}"#);
}

#[test]
fn repeats_share_a_key_and_other_events_do_not() {
    let key = |fields: &str| deal(fields).unwrap().dedupe_key();
    let first = key("");
    // Stored keys have to stay what they are, so this is SHA-256 of the text that goes into one, computed elsewhere.
    assert_eq!(HEXLOWER.encode(&first), "f46e55ba7c3f7a36045575b6e6c6ad667f2ee89f1f8ea9a88d9e79106be4dd6b");
    assert_eq!(first, key(r#","attemptNumber":3,"changeSource":"CRM","propertyValue":"7","eventId":"4""#));
    let merged = r#","subscriptionType":"deal.merge","primaryObjectId":2,"mergedObjectIds":[8,9]"#;
    let parted = r#","subscriptionType":"deal.associationChange","fromObjectId":2,"toObjectId":9"#;
    let others = [
        r#","portalId":9"#.to_owned(),
        r#","appId":9"#.to_owned(),
        r#","objectId":9"#.to_owned(),
        r#","eventId":9"#.to_owned(),
        r#","eventId":null"#.to_owned(),
        r#","occurredAt":9"#.to_owned(),
        r#","propertyName":"amount""#.to_owned(),
        r#","subscriptionType":"deal.deletion""#.to_owned(),
        r#","subscriptionType":"object.creation","objectTypeId":"0-3""#.to_owned(),
        merged.to_owned(),
        format!(r#"{merged},"newObjectId":9"#),
        parted.to_owned(),
        format!(r#"{parted},"associationRemoved":true"#),
        format!(r#"{parted},"associationType":"DEAL_TO_COMPANY""#),
    ];
    let keys: HashSet<[u8; 32]> = others.iter().map(|fields| key(fields)).chain([first]).collect();
    assert_eq!(keys.len(), others.len() + 1);
}

#[test]
fn object_types_read_back() {
    for id in "0-1 0-2 0-3 0-5 0-7 0-8 0-14 0-53 0-69 0-84 0-85 0-86 0-101 0-115 0-123 0-142".split(' ') {
        let object_type = ObjectType::from_type_id(id);
        assert!(!matches!(object_type, ObjectType::Other(_)), "{id}");
        assert_eq!(object_type.type_id(), id);
    }
    assert_eq!(ObjectType::from_classic("line_item"), ObjectType::LineItem);
    assert_eq!(ObjectType::from_type_id("2-7").type_id(), "2-7");
}
