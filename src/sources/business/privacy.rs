//! Values that look like a person, whatever their column was called.

use std::net::IpAddr;

/// Longer is a text, not a group.
const MAX_CHARACTERS: usize = 64;
const MAX_WORDS: usize = 5;
/// As many digits as a telephone number has at least, and an opaque id.
const PHONE_DIGITS: usize = 7;
const ID_CHARACTERS: usize = 16;

/// What a value seems to be that no label may tell.
pub fn looks_personal(value: &str) -> Option<&'static str> {
    let digits = value.bytes().filter(u8::is_ascii_digit).count();
    let lower = value.trim().to_ascii_lowercase();
    let is_of = |allowed: fn(char) -> bool| !value.is_empty() && value.chars().all(allowed);
    if value.chars().count() > MAX_CHARACTERS || value.split_whitespace().count() > MAX_WORDS {
        Some("text")
    } else if value.chars().any(char::is_control) {
        Some("control characters")
    } else if value.contains('@') || ["sip:", "sips:", "tel:"].iter().any(|scheme| lower.starts_with(scheme)) {
        Some("address")
    } else if lower.contains("://") {
        Some("url")
    } else if value.trim().parse::<IpAddr>().is_ok() {
        Some("ip")
    } else if digits >= PHONE_DIGITS && is_of(|c| c.is_ascii_digit() || "+-(). /".contains(c)) && !is_date(value) {
        Some("number")
    } else if value.len() >= ID_CHARACTERS && digits >= 2 && is_of(|c| c.is_ascii_hexdigit() || "-{}".contains(c)) {
        Some("id")
    } else {
        None
    }
}

/// `2026-11-22`.
fn is_date(value: &str) -> bool {
    value.len() == 10 && value.parse::<jiff::civil::Date>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn persons_and_groups() {
        for (value, kind) in [
            ("ann@example.com", "address"),
            ("sip:ann", "address"),
            ("+44 20 7946 0018", "number"),
            ("07700900123", "number"),
            ("(555) 010-9999", "number"),
            ("192.0.2.7", "ip"),
            ("2001:db8::1", "ip"),
            ("123e4567-e89b-12d3-a456-426614174000", "id"),
            ("507f1f77bcf86cd799439011", "id"),
            ("https://example.com/ann", "url"),
            ("please call me back tomorrow at noon", "text"),
            ("a\nb", "control characters"),
        ] {
            assert_eq!(looks_personal(value), Some(kind), "{value}");
        }
        for value in
            ["GB", "Greater London", "web", "4.12.0", "iOS 17.4.1", "2026-11-22", "2026-11", "0-9", "", "café", "12345"]
        {
            assert_eq!(looks_personal(value), None, "{value}");
        }
    }
}
