//! The events in a delivery's body, in both of HubSpot's shapes: classic (`deal.creation`) and generic
//! (`object.creation` with an `objectTypeId`).
//!
//! An event only says which record to look at. What is not understood is kept, and one bad member loses no other.

use serde_json::value::RawValue;
use serde_json::{Map, Value};

pub use crate::fields::MemberError;
use crate::fields::{Fields, kind};
pub use crate::object::{ObjectRef, ObjectType};
use crate::signature::sha256;

/// One event of a delivery.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// The HubSpot account.
    pub portal_id: i64,
    /// The app whose subscription this is.
    pub app_id: Option<i64>,
    /// HubSpot's number of the event; not promised to be unique.
    pub event_id: Option<i64>,
    /// The subscription that asked for it.
    pub subscription_id: Option<i64>,
    /// As it came: `deal.propertyChange`, `object.creation`, or one that is not known yet.
    pub subscription_type: String,
    /// What happened.
    pub action: Action,
    /// The records to look at: one for most events; winner, losers and new one for a merge; both ends of an association.
    pub objects: Vec<ObjectRef>,
    /// The property that changed, by its internal name.
    pub property_name: Option<String>,
    /// Its new value as HubSpot wrote it.
    pub property_value: Option<String>,
    /// When it happened, epoch milliseconds UTC.
    pub occurred_at_ms: i64,
    /// 0 for the first attempt.
    pub attempt_number: Option<i64>,
    /// Every other field, as it came.
    pub extra: Map<String, Value>,
}

/// What happened to the records of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// A record was created.
    Creation,
    /// A record was deleted.
    Deletion,
    /// A deleted record came back.
    Restore,
    /// Records were merged into one.
    Merge {
        /// The record that lives on.
        winner: i64,
        /// The records that went into it.
        losers: Vec<i64>,
        /// The record that holds the result, where HubSpot made one.
        new: Option<i64>,
    },
    /// A property got another value.
    PropertyChange,
    /// Two records were associated or parted.
    AssociationChange,
    /// A contact was erased for privacy.
    PrivacyDeletion,
    /// A conversation got a message.
    NewMessage,
    /// What a later HubSpot says behind the dot of the subscription type.
    Other(String),
}

/// Why a body holds no events at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// Nothing, or only white space.
    #[error("the body is empty")]
    Empty,
    /// JSON is UTF-8.
    #[error("the body is not UTF-8 from byte {at} on")]
    NotUtf8 {
        /// Offset of the first wrong byte.
        at: usize,
    },
    /// Not JSON.
    #[error("the body is not JSON at line {line}, column {column}")]
    NotJson {
        /// Line of the fault, from 1.
        line: usize,
        /// Column of the fault, from 1.
        column: usize,
    },
    /// JSON, but neither an array nor an object.
    #[error("the body is {found}, not an array of events")]
    NotAnArray {
        /// What it is instead.
        found: &'static str,
    },
}

/// A member of a body that is no event. `raw` may hold personal data: it is for the books, never for a log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("event {index} of the body cannot be read")]
pub struct BadMember {
    /// Position in the body, from 0.
    pub index: usize,
    /// What is wrong with it.
    #[source]
    pub cause: MemberError,
    /// The member as it came.
    pub raw: String,
}

/// Reads the events of a body: an array, or one object alone.
///
/// # Errors
/// A [`BodyError`] if the body as a whole is no list of events; a member that is none is a [`BadMember`] in the list.
pub fn parse(body: &[u8]) -> Result<Vec<Result<Event, BadMember>>, BodyError> {
    let text = str::from_utf8(body).map_err(|error| BodyError::NotUtf8 { at: error.valid_up_to() })?;
    if text.trim().is_empty() {
        return Err(BodyError::Empty);
    }
    let not_json = |error: serde_json::Error| BodyError::NotJson { line: error.line(), column: error.column() };
    let members: Vec<&RawValue> = if text.trim_start().starts_with('[') {
        serde_json::from_str(text).map_err(not_json)?
    } else {
        let whole: &RawValue = serde_json::from_str(text).map_err(not_json)?;
        match kind(whole) {
            "an object" => vec![whole],
            found => return Err(BodyError::NotAnArray { found }),
        }
    };
    let read = |(index, raw): (usize, &&RawValue)| {
        read_event(raw).map_err(|cause| BadMember { index, cause, raw: raw.get().to_owned() })
    };
    Ok(members.iter().enumerate().map(read).collect())
}

impl Event {
    /// The key by which repeats of an event collapse: SHA-256 over account, app, type, records, property, event
    /// number and time. The attempt is no part of it, and the event number alone would not do: HubSpot does not promise
    /// that it is unique.
    pub fn dedupe_key(&self) -> [u8; 32] {
        let records: Vec<String> = self.objects.iter().map(ToString::to_string).collect();
        let new = if let Action::Merge { new, .. } = &self.action { *new } else { None };
        let details = ["associationType", "associationTypeId", "associationRemoved", "messageId"];
        let identity = serde_json::to_string(&(
            (self.portal_id, self.app_id, &self.subscription_type, records, new),
            (&self.property_name, self.event_id, self.occurred_at_ms),
            details.map(|name| self.extra.get(name)),
        ))
        .expect("strings and integers always make JSON");
        sha256([identity.as_bytes()])
    }
}

fn read_event(member: &RawValue) -> Result<Event, MemberError> {
    let mut fields = Fields::read(member)?;
    // HubSpot's documentation calls it `eventType`, its deliveries `subscriptionType`.
    let documented = fields.text("eventType")?;
    let subscription_type =
        fields.text("subscriptionType")?.or(documented).ok_or(MemberError::Missing("subscriptionType"))?;
    let (subject, verb) = subscription_type.split_once('.').unwrap_or(("", &subscription_type));
    let action = match verb {
        "creation" => Action::Creation,
        "deletion" => Action::Deletion,
        "restore" => Action::Restore,
        "propertyChange" => Action::PropertyChange,
        "associationChange" => Action::AssociationChange,
        "privacyDeletion" => Action::PrivacyDeletion,
        "newMessage" => Action::NewMessage,
        "merge" => Action::Merge {
            winner: fields.need("primaryObjectId")?,
            losers: fields.wholes("mergedObjectIds")?,
            new: fields.whole("newObjectId")?,
        },
        other => Action::Other(other.to_owned()),
    };
    let objects = match &action {
        Action::AssociationChange => ends(&mut fields, subject)?,
        action => records(&mut fields, subject, action)?,
    };
    Ok(Event {
        portal_id: fields.need("portalId")?,
        app_id: fields.whole("appId")?,
        event_id: fields.whole("eventId")?,
        subscription_id: fields.whole("subscriptionId")?,
        property_name: fields.text("propertyName")?,
        property_value: fields.scalar("propertyValue")?,
        occurred_at_ms: fields.need("occurredAt")?,
        attempt_number: fields.whole("attemptNumber")?,
        extra: fields.rest()?,
        subscription_type,
        action,
        objects,
    })
}

/// The records of any event but an association's. `subject` is what stands before the dot of its type.
fn records(fields: &mut Fields<'_>, subject: &str, action: &Action) -> Result<Vec<ObjectRef>, MemberError> {
    let object_type = match subject {
        "object" => match fields.text("objectTypeId")? {
            Some(id) => ObjectType::from_type_id(&id),
            None if matches!(action, Action::Other(_)) => return Ok(Vec::new()),
            None => return Err(MemberError::Missing("objectTypeId")),
        },
        classic => ObjectType::from_classic(classic),
    };
    let ids: Vec<i64> = match action {
        // A type from the future may number its records in another way; then the id stays among the other fields.
        Action::Other(_) => fields.whole("objectId").ok().flatten().into_iter().collect(),
        Action::Merge { winner, losers, new } => {
            let object = fields.whole("objectId")?;
            [*winner].into_iter().chain(losers.iter().copied()).chain(*new).chain(object).collect()
        }
        _ => vec![fields.need("objectId")?],
    };
    let mut objects = Vec::new();
    for id in ids {
        let object = ObjectRef { object_type: object_type.clone(), id };
        if !objects.contains(&object) {
            objects.push(object);
        }
    }
    Ok(objects)
}

/// Both ends of an association: the generic form has their object type ids, the classic one says `DEAL_TO_LINE_ITEM`. An
/// end of a classic one whose kind is not told cannot be looked at and is left out.
fn ends(fields: &mut Fields<'_>, subject: &str) -> Result<Vec<ObjectRef>, MemberError> {
    let (from, to) = (fields.need("fromObjectId")?, fields.need("toObjectId")?);
    let (from_type, to_type) = if subject == "object" {
        let mut type_id = |name| fields.text(name)?.ok_or(MemberError::Missing(name));
        let (from, to) = (type_id("fromObjectTypeId")?, type_id("toObjectTypeId")?);
        (ObjectType::from_type_id(&from), Some(ObjectType::from_type_id(&to)))
    } else {
        let association = fields.peek_text("associationType").unwrap_or_default().to_lowercase();
        match association.split_once("_to_") {
            Some((from, to)) => (ObjectType::from_classic(from), Some(ObjectType::from_classic(to))),
            None => (ObjectType::from_classic(subject), None),
        }
    };
    let to = to_type.map(|object_type| ObjectRef { object_type, id: to });
    Ok([ObjectRef { object_type: from_type, id: from }].into_iter().chain(to).collect())
}
