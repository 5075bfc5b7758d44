//! Whom nobody may recognise: names that no label, column or property of a label may have.

use toml::Spanned;

use crate::config::value::{Checked, fault};

/// Words for persons, their numbers and addresses, and for what they say. A name is refused if one of them is the whole of it, or its
/// last word.
const WORDS: [&str; 42] = [
    "user",
    "username",
    "login",
    "caller",
    "callee",
    "customer",
    "patient",
    "contact",
    "person",
    "owner",
    "operator",
    "name",
    "firstname",
    "lastname",
    "surname",
    "fullname",
    "phone",
    "telephone",
    "number",
    "msisdn",
    "mobile",
    "whatsapp",
    "email",
    "mail",
    "address",
    "ip",
    "uri",
    "url",
    "id",
    "uuid",
    "guid",
    "session",
    "call",
    "chat",
    "message",
    "appointment",
    "text",
    "content",
    "body",
    "token",
    "key",
    "birthday",
];
/// Names of things that end like one of a person's.
const HARMLESS: [&str; 12] = [
    "browser_name",
    "journey_name",
    "campaign_name",
    "service_name",
    "template_name",
    "event_name",
    "feature_name",
    "intent_name",
    "plan_name",
    "product_name",
    "variant_name",
    "page_name",
];

/// Refuses a name that promises a person.
pub(in crate::config) fn check_name(name: &Spanned<String>) -> Checked<()> {
    match person(name.get_ref()) {
        Some(word) => fault(
            name.span(),
            format!("is {:?}: a {word} would be a label, and labels never tell of one person", name.get_ref()),
            "count groups: a country, a channel, a band; `alias` is for staff, `distinct` counts people",
        ),
        None => Ok(()),
    }
}

/// The word of a name that promises a person.
fn person(name: &str) -> Option<&'static str> {
    let plain = snake(name.rsplit(['.', '/']).next().unwrap_or(name));
    if HARMLESS.contains(&plain.as_str()) {
        return None;
    }
    let last = plain.rsplit('_').next().unwrap_or_default();
    WORDS.into_iter().find(|word| *word == last || *word == plain)
}

/// `agentId` -> `agent_id`.
fn snake(name: &str) -> String {
    let mut out = String::new();
    let mut was_lower = false;
    for c in name.chars() {
        if c.is_ascii_uppercase() && was_lower {
            out.push('_');
        }
        was_lower = c.is_ascii_lowercase();
        out.push(if c == '-' || c == ' ' { '_' } else { c.to_ascii_lowercase() });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_persons() {
        for name in ["userId", "customer.email", "phone", "contact_name", "Name", "ip", "client-IP", "chat_id", "text"]
        {
            assert!(person(name).is_some(), "{name}");
        }
        for name in ["channel", "customer.country", "campaign", "service_name", "outcome", "user_agent_family", "type"]
        {
            assert!(person(name).is_none(), "{name}");
        }
    }
}
