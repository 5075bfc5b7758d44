//! One event, taken out of what somebody sent by the pointers of a shape.

use std::borrow::Cow;

use jiff::Timestamp;
use serde_json::Value;

use crate::config::Shape;

/// Longest name of an event, and longest text of a property that is looked at.
const MAX_NAME: usize = 200;
/// How far an event may lie ahead: clocks differ.
const AHEAD_SECONDS: i64 = 300;

/// Why an event is not counted; the label `reason`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Refusal {
    /// It is no JSON, or no object.
    Malformed,
    NoName,
    UnknownEvent,
    BadTime,
    Future,
    TooOld,
    BadProperties,
    /// A property that counts is missing, or no number.
    BadValue,
    /// The state cannot be written, or there are too many events.
    Unavailable,
}

impl Refusal {
    pub const ALL: [Refusal; 9] = [
        Refusal::Malformed,
        Refusal::NoName,
        Refusal::UnknownEvent,
        Refusal::BadTime,
        Refusal::Future,
        Refusal::TooOld,
        Refusal::BadProperties,
        Refusal::BadValue,
        Refusal::Unavailable,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Refusal::Malformed => "malformed",
            Refusal::NoName => "no_name",
            Refusal::UnknownEvent => "unknown_event",
            Refusal::BadTime => "bad_time",
            Refusal::Future => "future",
            Refusal::TooOld => "too_old",
            Refusal::BadProperties => "bad_properties",
            Refusal::BadValue => "bad_value",
            Refusal::Unavailable => "unavailable",
        }
    }

    /// What to do about it.
    pub fn hint(self) -> &'static str {
        match self {
            Refusal::Malformed => "an event is a JSON object",
            Refusal::NoName => "the name of the event is missing, or no text",
            Refusal::UnknownEvent => "no rule of the pack is about an event of this name",
            Refusal::BadTime => "the time is no RFC 3339 text and no Unix time",
            Refusal::Future => "the time lies ahead by more than five minutes",
            Refusal::TooOld => "the time is further back than events.max_age",
            Refusal::BadProperties => "the properties are no object",
            Refusal::BadValue => "a property that is to be counted is missing, or no number",
            Refusal::Unavailable => "it cannot be kept now: send it again",
        }
    }
}

/// One event.
#[derive(Debug)]
pub struct Event<'a> {
    pub name: Cow<'a, str>,
    pub time: Timestamp,
    /// What names its delivery.
    pub id: Option<String>,
    pub tenant: Option<Cow<'a, str>>,
    user: Option<Cow<'a, str>>,
    session: Option<Cow<'a, str>>,
    properties: &'a Value,
}

static NOTHING: Value = Value::Null;

impl<'a> Event<'a> {
    pub fn read(
        shape: &'a Shape,
        value: &'a Value,
        now: Timestamp,
        max_age: std::time::Duration,
    ) -> Result<Event<'a>, Refusal> {
        if !value.is_object() {
            return Err(Refusal::Malformed);
        }
        let text = |pointer: &str| value.pointer(pointer).and_then(text);
        let name = match &shape.event_is {
            Some(name) => Cow::Borrowed(name.as_str()),
            None => text(&shape.event).filter(|name| !name.is_empty()).ok_or(Refusal::NoName)?,
        };
        if name.len() > MAX_NAME {
            return Err(Refusal::NoName);
        }
        let time = match value.pointer(&shape.time) {
            None | Some(Value::Null) => now,
            Some(time) => instant(time).ok_or(Refusal::BadTime)?,
        };
        let seconds = time.as_second().saturating_sub(now.as_second());
        if seconds > AHEAD_SECONDS {
            return Err(Refusal::Future);
        }
        if seconds.unsigned_abs() > max_age.as_secs() && seconds < 0 {
            return Err(Refusal::TooOld);
        }
        let properties = match value.pointer(&shape.properties) {
            None | Some(Value::Null) => &NOTHING,
            Some(properties @ Value::Object(_)) => properties,
            Some(_) => return Err(Refusal::BadProperties),
        };
        // Each part must be there: a webhook whose id is missing is no repeated one.
        let parts: Option<Vec<Cow<'_, str>>> = shape.id.iter().map(|pointer| text(pointer)).collect();
        let id = parts.filter(|parts| !parts.is_empty()).map(|parts| parts.join("\u{1f}"));
        let name = if shape.prefix.is_empty() { name } else { Cow::Owned(format!("{}{name}", shape.prefix)) };
        let (tenant, user, session) = (text(&shape.tenant), text(&shape.user), text(&shape.session));
        Ok(Event { name, time, id, tenant, user, session, properties })
    }

    /// A property as a text: by its name, by its path, or one of the event's own fields.
    pub fn text(&self, name: &str) -> Option<Cow<'a, str>> {
        match name {
            "userId" => self.user.clone().or_else(|| self.find(name).and_then(text)),
            "sessionId" => self.session.clone().or_else(|| self.find(name).and_then(text)),
            name => self.find(name).and_then(text),
        }
    }

    /// A property as a number, also where it is one in quotes.
    pub fn number(&self, name: &str) -> Option<f64> {
        let number = match self.find(name)? {
            Value::Number(number) => number.as_f64(),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        };
        number.filter(|number| number.is_finite())
    }

    fn find(&self, name: &str) -> Option<&'a Value> {
        if let Some(value) = self.properties.get(name) {
            return Some(value);
        }
        name.contains('.').then(|| name.split('.').try_fold(self.properties, |value, part| value.get(part)))?
    }
}

fn text(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::String(text) => Some(Cow::Borrowed(text)),
        Value::Number(number) => Some(Cow::Owned(number.to_string())),
        Value::Bool(yes) => Some(Cow::Borrowed(if *yes { "true" } else { "false" })),
        _ => None,
    }
}

/// RFC 3339, or Unix seconds, milliseconds or finer, told apart by how large they are.
fn instant(value: &Value) -> Option<Timestamp> {
    let number = match value {
        Value::Number(number) => number.as_f64()?,
        Value::String(text) => match text.parse::<Timestamp>() {
            Ok(time) => return Some(time),
            Err(_) => text.trim().parse().ok()?,
        },
        _ => return None,
    };
    if !number.is_finite() {
        return None;
    }
    // Seconds reach 1e11 in the year 5138, milliseconds were there in 1973.
    let seconds = match number.abs() {
        large if large >= 1e17 => number / 1e9,
        large if large >= 1e14 => number / 1e6,
        large if large >= 1e11 => number / 1e3,
        _ => number,
    };
    Timestamp::from_nanosecond((seconds * 1e9) as i128).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        let at = |value: Value| instant(&value).map(|time| time.as_millisecond());
        assert_eq!(at("2026-11-22T10:00:00.5Z".into()), Some(1_795_341_600_500));
        assert_eq!(at("2026-11-22T11:00:00+01:00".into()), Some(1_795_341_600_000));
        for number in [1_795_341_600_f64, 1_795_341_600e3, 1_795_341_600e6, 1_795_341_600e9] {
            assert_eq!(at(number.into()), Some(1_795_341_600_000), "{number}");
        }
        assert_eq!(at("1795341600".into()), Some(1_795_341_600_000));
        for bad in [Value::from("yesterday"), Value::from(f64::MAX), Value::Bool(true), Value::from("NaN")] {
            assert_eq!(at(bad.clone()), None, "{bad}");
        }
    }

    #[test]
    fn properties_by_path_and_by_name() {
        let value = serde_json::json!({
            "name": "x", "userId": 7, "properties": {"a": {"b": "c"}, "a.b": "own", "n": "1.5", "yes": true, "list": []}
        });
        let shape = Shape::own();
        let event =
            Event::read(&shape, &value, Timestamp::now(), std::time::Duration::from_secs(60)).expect("an event");
        assert_eq!(event.text("a.b").as_deref(), Some("own"));
        assert_eq!(event.text("userId").as_deref(), Some("7"));
        assert_eq!(event.text("yes").as_deref(), Some("true"));
        assert_eq!((event.text("list"), event.text("a"), event.text("no.where")), (None, None, None));
        assert_eq!(event.number("n"), Some(1.5));
    }
}
