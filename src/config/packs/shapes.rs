//! `[[shapes]]`: webhooks of others, taken apart by JSON pointers (RFC 6901) and no code.

use crate::config::databases::name;
use crate::config::section::{Document, Section};
use crate::config::value::{self, Checked, Value, fault};

/// Where the parts of an event are in what somebody else sends: JSON pointers (RFC 6901).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    pub name: String,
    pub events: String,
    pub event: String,
    /// The name of all events, where they have none.
    pub event_is: Option<String>,
    pub prefix: String,
    pub time: String,
    pub id: Vec<String>,
    pub user: String,
    pub session: String,
    pub tenant: String,
    pub properties: String,
    pub signature: Signature,
}

/// How a body is signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    pub header: String,
    /// What stands in the header: `{digest}`, and `{time}` where it is signed too.
    pub value: String,
    /// What is signed: `{body}`, and `{time}`.
    pub signed: String,
}

impl Default for Signature {
    fn default() -> Self {
        Signature {
            header: "x-sidetone-signature".to_owned(),
            value: "sha256={digest}".to_owned(),
            signed: "{body}".to_owned(),
        }
    }
}

impl Shape {
    /// Sidetone's own.
    pub fn own() -> Shape {
        Shape {
            name: "sidetone".to_owned(),
            events: String::new(),
            event: "/name".to_owned(),
            event_is: None,
            prefix: String::new(),
            time: "/timestamp".to_owned(),
            id: vec!["/id".to_owned()],
            user: "/userId".to_owned(),
            session: "/sessionId".to_owned(),
            tenant: "/tenant".to_owned(),
            properties: "/properties".to_owned(),
            signature: Signature::default(),
        }
    }
}

/// Reads the shapes of a file.
pub(super) fn read(document: &mut Document<'_>) -> Vec<Shape> {
    let own = Shape::own();
    document.sections("shapes", |section| Shape {
        name: section.take_required("name", "\"retell\"", name),
        events: section.take("events", own.events.clone(), pointer),
        event: section.take("event", own.event.clone(), pointer),
        event_is: section.take("event_is", None, |typed| value::text(typed).map(Some)),
        prefix: section.take("prefix", String::new(), value::text),
        time: section.take("time", own.time.clone(), pointer),
        id: section.take("id", own.id.clone(), |typed| {
            let items = value::list(typed, "JSON pointers", "\"/id\"")?;
            value::each(items, pointer).map(value::plain)
        }),
        user: section.take("user", own.user.clone(), pointer),
        session: section.take("session", own.session.clone(), pointer),
        tenant: section.take("tenant", own.tenant.clone(), pointer),
        properties: section.take("properties", own.properties.clone(), pointer),
        signature: signature(section),
    })
}

fn signature(section: &mut Section<'_, '_>) -> Signature {
    let default = Signature::default();
    let typed: Option<Value<'_>> = section.take("signature", None, |typed| Ok(Some(typed)));
    let Some(typed) = typed else { return default };
    let read = section.table("signature", "signature", typed, |section| {
        let signature = Signature {
            header: section.take("header", default.header.clone(), value::text),
            value: section.take("value", default.value.clone(), |typed| holding(typed, "{digest}")),
            signed: section.take("signed", default.signed.clone(), |typed| holding(typed, "{body}")),
        };
        section.require(
            signature.signed.contains("{time}") == signature.value.contains("{time}"),
            ["signed", "value"],
            "and `signature.value` must both hold {time}, or neither",
            "as in value = \"t={time},v1={digest}\" and signed = \"{time}.{body}\"",
        );
        signature
    });
    read.unwrap_or_default()
}

fn holding(value: Value<'_>, word: &str) -> Checked<String> {
    let span = value.span();
    let text = value::text(value)?;
    match text.contains(word) {
        true => Ok(text),
        false => fault(span, format!("does not hold {word}"), format!("write {word} where it stands")),
    }
}

fn pointer(value: Value<'_>) -> Checked<String> {
    let span = value.span();
    let text = value::string(value)?;
    match text.is_empty() || text.starts_with('/') {
        true => Ok(text),
        false => fault(span, "is no JSON pointer (RFC 6901)", "begin it with /, as in \"/event\""),
    }
}
