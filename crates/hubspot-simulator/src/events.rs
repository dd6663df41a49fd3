//! Webhook events: what HubSpot says when a record changes, in its two shapes, to those who subscribed.

use serde_json::{Map, Value, json};

use crate::account::Kind;
use crate::clock::parse_ms;

/// Which of HubSpot's two shapes the events of deals and companies take. Invoices and payments only have the generic one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EventShape {
    /// `object.propertyChange` with an `objectTypeId`.
    #[default]
    Generic,
    /// `deal.propertyChange`.
    Classic,
}

/// What a subscription listens to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Topic {
    /// A record is created.
    Creation,
    /// A record is archived or deleted.
    Deletion,
    /// Records are merged.
    Merge,
    /// An archived record comes back.
    Restore,
    /// Records are associated, or no longer.
    AssociationChange,
    /// A property changes.
    PropertyChange(String),
}

/// One subscription of the app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// The kind of record.
    pub kind: Kind,
    /// What to tell about it.
    pub topic: Topic,
}

impl Subscription {
    /// What a finance app listens to: the lives of deals, invoices and payments, and the properties that carry money,
    /// dates and states. Calculated properties fire no event, so none is here.
    pub fn finance() -> Vec<Self> {
        let properties: [(Kind, &[&str]); 3] = [
            (
                Kind::Deal,
                &["dealname", "dealstage", "pipeline", "amount", "deal_currency_code", "closedate", "hubspot_owner_id"],
            ),
            (
                Kind::Invoice,
                &[
                    "hs_number",
                    "hs_invoice_status",
                    "hs_amount_billed",
                    "hs_amount_paid",
                    "hs_currency",
                    "hs_invoice_date",
                    "hs_due_date",
                ],
            ),
            (Kind::Payment, &["hs_latest_status", "hs_initial_amount", "hs_refunds_amount", "hs_currency_code"]),
        ];
        let topics = |(kind, names): (Kind, &'static [&'static str])| {
            let lives = [Topic::Creation, Topic::Deletion, Topic::Merge, Topic::Restore];
            let changes = names.iter().map(|name| Topic::PropertyChange((*name).to_owned()));
            lives.into_iter().chain(changes).map(move |topic| Self { kind, topic })
        };
        properties.into_iter().flat_map(topics).collect()
    }
}

/// Where the events of one write come from.
#[derive(Debug, Clone)]
pub(crate) struct Source<'a> {
    pub(crate) portal_id: i64,
    pub(crate) app_id: i64,
    pub(crate) shape: EventShape,
    pub(crate) subscriptions: &'a [Subscription],
    pub(crate) user_id: i64,
    pub(crate) at_ms: i64,
}

/// An event on its way: what HubSpot says, and how often it has said so.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    fields: Map<String, Value>,
    /// How many attempts have failed.
    pub(crate) attempt: u32,
}

impl Event {
    /// The event as it stands in a body.
    pub(crate) fn to_json(&self) -> Value {
        let mut fields = self.fields.clone();
        fields.insert("attemptNumber".to_owned(), self.attempt.into());
        Value::Object(fields)
    }

    /// Gives the event another id, as a retry may have.
    pub(crate) fn renumber(&mut self) {
        self.fields.insert("eventId".to_owned(), event_id());
    }

    /// Moves the event to the portal next door.
    pub(crate) fn make_foreign(&mut self) {
        let portal_id = self.fields.get("portalId").and_then(Value::as_i64).unwrap_or_default();
        self.fields.insert("portalId".to_owned(), (portal_id + 1).into());
    }
}

/// Event ids look like random 32-bit numbers, and are "not guaranteed to be unique".
fn event_id() -> Value {
    fastrand::u32(1..).into()
}

impl Source<'_> {
    /// The event for a topic, if somebody subscribed to it.
    fn event(&self, kind: Kind, topic: &Topic, details: Value) -> Option<Event> {
        let index = self.subscriptions.iter().position(|s| s.kind == kind && s.topic == *topic)?;
        let classic = self.shape == EventShape::Classic && matches!(kind, Kind::Deal | Kind::Company);
        let verb = match topic {
            Topic::Creation => "creation",
            Topic::Deletion => "deletion",
            Topic::Merge => "merge",
            Topic::Restore => "restore",
            Topic::AssociationChange => "associationChange",
            Topic::PropertyChange(_) => "propertyChange",
        };
        let mut fields = Map::new();
        fields.insert("eventId".to_owned(), event_id());
        fields.insert("subscriptionId".to_owned(), (3_800_001 + index).into());
        fields.insert("portalId".to_owned(), self.portal_id.into());
        fields.insert("appId".to_owned(), self.app_id.into());
        fields.insert("occurredAt".to_owned(), self.at_ms.into());
        let prefix = if classic { kind.singular() } else { "object" };
        fields.insert("subscriptionType".to_owned(), format!("{prefix}.{verb}").into());
        if let Value::Object(details) = details {
            fields.extend(details);
        }
        if !classic && *topic != Topic::AssociationChange {
            fields.insert("objectTypeId".to_owned(), kind.object_type_id().into());
        }
        if classic {
            fields.remove("isSensitive");
        }
        fields.insert("changeSource".to_owned(), "CRM_UI".into());
        fields.insert("sourceId".to_owned(), format!("userId:{}", self.user_id).into());
        Some(Event { fields, attempt: 0 })
    }

    /// One event per changed property. Instants travel as epoch milliseconds, a cleared property as the empty string.
    pub(crate) fn changes(&self, kind: Kind, id: i64, changed: &[(String, String)]) -> Vec<Event> {
        let event = |(name, value): &(String, String)| {
            let is_instant = name.ends_with("date");
            let value = parse_ms(value).filter(|_| is_instant).map_or_else(|| value.clone(), |ms| ms.to_string());
            let details = json!({ "objectId": id, "propertyName": name, "propertyValue": value, "isSensitive": false });
            self.event(kind, &Topic::PropertyChange(name.clone()), details)
        };
        changed.iter().filter_map(event).collect()
    }

    /// A creation stands in the middle of its own property changes, where HubSpot likes to put it.
    pub(crate) fn creation(&self, kind: Kind, id: i64, changed: &[(String, String)]) -> Vec<Event> {
        let mut events = self.changes(kind, id, changed);
        let details = json!({ "objectId": id, "changeFlag": "CREATED" });
        let middle = events.len() / 2;
        if let Some(creation) = self.event(kind, &Topic::Creation, details) {
            events.insert(middle, creation);
        }
        events
    }

    pub(crate) fn deletion(&self, kind: Kind, id: i64) -> Vec<Event> {
        let details = json!({ "objectId": id, "changeFlag": "DELETED" });
        self.event(kind, &Topic::Deletion, details).into_iter().collect()
    }

    pub(crate) fn restore(&self, kind: Kind, id: i64) -> Vec<Event> {
        self.event(kind, &Topic::Restore, json!({ "objectId": id })).into_iter().collect()
    }

    pub(crate) fn merge(&self, kind: Kind, winner: i64, loser: i64, moved: usize) -> Vec<Event> {
        let details = json!({
            "objectId": winner,
            "primaryObjectId": winner,
            "mergedObjectIds": [loser],
            "newObjectId": winner,
            "numberOfPropertiesMoved": moved,
        });
        self.event(kind, &Topic::Merge, details).into_iter().collect()
    }

    /// Two events, one per direction, and neither has an `objectId`.
    pub(crate) fn association(&self, from: (Kind, i64), to: (Kind, i64), types: [u32; 2]) -> Vec<Event> {
        let direction = |from: (Kind, i64), to: (Kind, i64), type_id: u32| {
            let upper = |kind: Kind| kind.singular().to_uppercase();
            let mut details = json!({
                "fromObjectId": from.1,
                "toObjectId": to.1,
                "associationRemoved": false,
                "isPrimaryAssociation": false,
            });
            if self.shape == EventShape::Classic && from.0 == Kind::Deal {
                details["associationType"] = format!("{}_TO_{}", upper(from.0), upper(to.0)).into();
            } else {
                details["fromObjectTypeId"] = from.0.object_type_id().into();
                details["toObjectTypeId"] = to.0.object_type_id().into();
                details["associationTypeId"] = type_id.into();
                details["associationCategory"] = "HUBSPOT_DEFINED".into();
            }
            self.event(from.0, &Topic::AssociationChange, details)
        };
        [direction(from, to, types[0]), direction(to, from, types[1])].into_iter().flatten().collect()
    }
}
