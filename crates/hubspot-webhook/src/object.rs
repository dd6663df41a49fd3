//! The kinds of records that events speak of.
//!
//! Source of the ids: HubSpot's developer documentation, "Understanding the CRM", object type ids.

use std::fmt;

/// One record of HubSpot's CRM, inside the portal of its event.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectRef {
    /// The kind of record.
    pub object_type: ObjectType,
    /// HubSpot's id of the record.
    pub id: i64,
}

macro_rules! object_types {
    ($($name:ident $id:literal $classic:literal),+ $(,)?) => {
        /// A kind of record. Custom objects and kinds that HubSpot adds later are `Other`.
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum ObjectType {
            $(#[doc = concat!("Object type ", $id, ".")] $name,)+
            /// The object type id of a generic event, or the name in a classic one.
            Other(String),
        }

        impl ObjectType {
            /// The kind behind an object type id such as `0-3`.
            pub fn from_type_id(id: &str) -> Self {
                match id {
                    $($id => Self::$name,)+
                    other => Self::Other(other.to_owned()),
                }
            }

            /// The kind behind the name in a classic subscription type such as `deal` or `line_item`.
            pub fn from_classic(name: &str) -> Self {
                match name {
                    $($classic => Self::$name,)+
                    other => Self::Other(other.to_owned()),
                }
            }

            /// The object type id; for [`ObjectType::Other`] what it holds.
            pub fn type_id(&self) -> &str {
                match self {
                    $(Self::$name => $id,)+
                    Self::Other(id) => id,
                }
            }
        }
    };
}

object_types! {
    Contact "0-1" "contact",
    Company "0-2" "company",
    Deal "0-3" "deal",
    Ticket "0-5" "ticket",
    Product "0-7" "product",
    LineItem "0-8" "line_item",
    Quote "0-14" "quote",
    Invoice "0-53" "invoice",
    Subscription "0-69" "subscription",
    Discount "0-84" "discount",
    Fee "0-85" "fee",
    Tax "0-86" "tax",
    Payment "0-101" "payment",
    User "0-115" "user",
    Order "0-123" "order",
    Cart "0-142" "cart",
}

impl fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.object_type.type_id(), self.id)
    }
}
