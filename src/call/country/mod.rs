//! The country that a telephone number belongs to, for labels; the number itself is kept nowhere.

mod table;

use crate::wire::sip::{Message, Start, uri_of, user_of};

use super::number::{Number, Plan};
use table::PREFIXES;

/// A row of the table, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Country(u16);

impl Country {
    /// A name, a short or a local number, or one that nobody has.
    pub const UNKNOWN: Country = Country(u16::MAX);

    /// Where a call goes: to whom the Request-URI says, or else, in what has none or no number in it, the To.
    pub fn called(message: &Message<'_>, plan: &Plan) -> Country {
        let uri = match message.start {
            Start::Request { uri, .. } => uri,
            Start::Response { .. } => &[],
        };
        let number = |uri| Number::parse(user_of(uri), plan).filter(Number::is_international);
        let number = number(uri).or_else(|| number(uri_of(message.to)));
        number.map_or(Country::UNKNOWN, |number| Country::of(number.digits()))
    }

    /// By the digits behind the plus sign.
    fn of(digits: &[u8]) -> Country {
        let longest = digits.len().min(MAX_PREFIX);
        let row =
            |length: &usize| PREFIXES.binary_search_by_key(&&digits[..*length], |(prefix, _)| prefix.as_bytes()).ok();
        let found = (1..=longest).rev().find_map(|length| row(&length));
        found.map_or(Country::UNKNOWN, |row| Country(row as u16))
    }

    /// The value of the `country` label.
    pub fn name(self) -> &'static str {
        PREFIXES.get(usize::from(self.0)).map_or("unknown", |(_, name)| name)
    }
}

/// The longest prefix in the table.
const MAX_PREFIX: usize = 7;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::sip::{self, Content};

    #[test]
    fn the_table_is_in_order() {
        assert!(PREFIXES.is_sorted_by(|a, b| a.0 < b.0));
        for (prefix, name) in PREFIXES {
            assert!((1..=MAX_PREFIX).contains(&prefix.len()) && prefix.bytes().all(|b| b.is_ascii_digit()), "{prefix}");
            assert!(
                *name == "international" || name.len() == 2 && name.bytes().all(|b| b.is_ascii_uppercase()),
                "{name}"
            );
        }
    }

    #[test]
    fn the_longest_prefix_wins() {
        for (digits, name) in [
            ("4930123456", "DE"),
            ("442079460123", "GB"),
            ("441481555123", "GG"),
            ("12125550123", "US"),
            ("14165550123", "CA"),
            ("18765550123", "JM"),
            ("18005550123", "international"),
            ("1", "US"),
            ("74951234567", "RU"),
            ("77011234567", "KZ"),
            ("3906698123", "VA"),
            ("390612345", "IT"),
            ("881612345678", "international"),
            ("599912345", "CW"),
            ("59912345", "unknown"),
            ("2100000", "unknown"),
            ("", "unknown"),
        ] {
            assert_eq!(Country::of(digits.as_bytes()).name(), name, "{digits}");
        }
    }

    #[test]
    fn the_number_that_is_called() {
        let plan = Plan::new(Some("49"), "00", "0");
        for (uri, to, name) in [
            ("sip:+442079460123@gw;user=phone", "<sip:bob@b>", "GB"),
            ("sip:00442079460123@gw", "<sip:bob@b>", "GB"),
            ("sip:030123456@gw", "<sip:bob@b>", "DE"),
            ("tel:+1-416-555-0123;npdi;rn=+1-202-555-0000", "<sip:bob@b>", "CA"),
            ("sip:%2B14165550123;npdi@gw", "<sip:bob@b>", "CA"),
            // Who is called on is to be found in the To, where the Request-URI is a contact.
            ("sip:x7f3@10.0.0.1:5070", "\"+1\" <sip:+33123456789@b>", "FR"),
            ("sip:bob@b", "<sip:bob@b>", "unknown"),
            ("sip:110@b", "<sip:110@b>", "unknown"),
            ("sip:10.0.0.1", "<sip:10.0.0.1>", "unknown"),
        ] {
            let text = format!(
                "INVITE {uri} SIP/2.0\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\nFrom: <sip:a@a>;tag=1\r\nTo: {to}\r\n\r\n"
            );
            let Ok(Content::Message(message)) = sip::parse(text.as_bytes()) else { panic!("no message: {text}") };
            assert_eq!(Country::called(&message, &plan).name(), name, "{uri}");
        }
    }
}
