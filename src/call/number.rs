//! Telephone numbers as they are dialled, and as everybody in the world would dial them (ITU-T E.164).

use std::net::Ipv4Addr;

/// ITU-T E.164 clause 6.2.1: at most 15 digits, country code included.
const MAX_DIGITS: usize = 15;
/// Digits that are read: an international number behind the longest prefix that the configuration takes.
const MAX_DIALLED: usize = MAX_DIGITS + 5;
/// Up to so many digits are an extension, an emergency number or a short code, whatever they begin with.
const MAX_SHORT: usize = 6;
/// Fewer digits than these, with country code and without any prefix, are taken for a subscriber's local number.
const MIN_BARE: usize = 10;
/// The fewest digits of national numbers in a country without trunk prefix (Iceland, Luxembourg).
const MIN_NATIONAL: usize = 7;

/// How numbers are dialled here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    country_code: Option<Box<[u8]>>,
    international_prefix: Box<[u8]>,
    trunk_prefix: Box<[u8]>,
}

impl Plan {
    /// All are digits; an empty prefix is one that does not exist.
    pub fn new(country_code: Option<&str>, international_prefix: &str, trunk_prefix: &str) -> Plan {
        let bytes = |digits: &str| Box::from(digits.as_bytes());
        Plan {
            country_code: country_code.map(bytes),
            international_prefix: bytes(international_prefix),
            trunk_prefix: bytes(trunk_prefix),
        }
    }
}

/// A telephone number. Two ways to dial the same international number are equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Number {
    /// ASCII digits, zero bytes behind them.
    digits: [u8; MAX_DIGITS],
    length: u8,
    international: bool,
}

impl Number {
    /// Reads the user part of a SIP URI or the number of a tel URI; `None` where it is a name, a feature code or a host.
    pub fn parse(user: &[u8], plan: &Plan) -> Option<Number> {
        let mut buffer = [0; MAX_DIALLED];
        let (plus, length) = dialled(user, &mut buffer)?;
        let digits = &buffer[..length];
        if plus {
            return Number::international(digits);
        }
        if is_host(user) {
            return None;
        }
        let known = if length > MAX_SHORT { in_the_world(digits, plan) } else { None };
        known.or_else(|| Number::new(&[digits], false))
    }

    /// The digits; of an international number those behind the plus sign.
    pub fn digits(&self) -> &[u8] {
        &self.digits[..usize::from(self.length)]
    }

    /// Whether it begins with a country code; otherwise it is a short or a local number, as it was dialled.
    pub fn is_international(&self) -> bool {
        self.international
    }

    /// No country code begins with 0 (list of ITU-T E.164 assigned country codes).
    fn international(digits: &[u8]) -> Option<Number> {
        Number::new(&[digits], true).filter(|_| digits.first() != Some(&b'0'))
    }

    fn new(parts: &[&[u8]], international: bool) -> Option<Number> {
        let mut number = Number { digits: [0; MAX_DIGITS], length: 0, international };
        for digit in parts.iter().copied().flatten() {
            *number.digits.get_mut(usize::from(number.length))? = *digit;
            number.length += 1;
        }
        Some(number)
    }
}

/// What was dialled as an international number, if the plan says of which country it is.
fn in_the_world(digits: &[u8], plan: &Plan) -> Option<Number> {
    let behind = |prefix: &[u8]| digits.strip_prefix(prefix).filter(|rest| !prefix.is_empty() && !rest.is_empty());
    if let Some(rest) = behind(&plan.international_prefix) {
        return Number::international(rest);
    }
    let country = plan.country_code.as_deref()?;
    if let Some(rest) = behind(&plan.trunk_prefix) {
        return Number::new(&[country, rest], true);
    }
    let whole = digits.len() >= country.len() + MIN_NATIONAL && digits.starts_with(country);
    match plan.trunk_prefix.is_empty() {
        // Carriers leave the plus sign out; and where national numbers have a prefix, what has none is not one of them.
        false if digits.len() >= MIN_BARE => Number::international(digits),
        false => None,
        true if whole => Number::international(digits),
        true => Number::new(&[country, digits], true),
    }
}

/// Reads digits into `into`; whether a plus sign stood before them, and how many there are.
fn dialled(user: &[u8], into: &mut [u8; MAX_DIALLED]) -> Option<(bool, usize)> {
    let (mut plus, mut length, mut rest) = (false, 0, user);
    while let Some((byte, behind)) = unescaped(rest) {
        rest = behind;
        match byte {
            b'0'..=b'9' => {
                *into.get_mut(length)? = byte;
                length += 1;
            }
            b'+' if !plus && length == 0 => plus = true,
            // Visual separators (RFC 3966 section 3); spaces are none, but are typed.
            b'-' | b'.' | b'(' | b')' | b' ' => {}
            // Parameters of a tel URI, which a SIP URI keeps in its user part (RFC 3261 section 19.1.6).
            b';' => break,
            _ => return None,
        }
    }
    (length > 0).then_some((plus, length))
}

/// The first byte of a URI's user part, `%2B` read as a plus sign (RFC 3261 section 25.1, escaped), and what stands behind it.
fn unescaped(user: &[u8]) -> Option<(u8, &[u8])> {
    let hex = |digit: &u8| char::from(*digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
    match user {
        [b'%', high, low, rest @ ..] => match (hex(high), hex(low)) {
            (Some(high), Some(low)) => Some((high << 4 | low, rest)),
            _ => Some((b'%', &user[1..])),
        },
        [byte, rest @ ..] => Some((*byte, rest)),
        [] => None,
    }
}

/// Who has no user part is named by the host: an address is no number.
fn is_host(user: &[u8]) -> bool {
    std::str::from_utf8(user).is_ok_and(|user| user.parse::<Ipv4Addr>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(user: &str, plan: &Plan) -> Option<String> {
        let number = Number::parse(user.as_bytes(), plan)?;
        let digits = String::from_utf8_lossy(number.digits()).into_owned();
        Some(if number.is_international() { format!("+{digits}") } else { digits })
    }

    fn check(plan: &Plan, table: &[(&str, Option<&str>)]) {
        for (user, expected) in table {
            assert_eq!(read(user, plan).as_deref(), *expected, "{user} in {plan:?}");
        }
    }

    #[test]
    fn a_country_with_trunk_prefix() {
        let london = Some("+442079460123");
        check(
            &Plan::new(Some("44"), "00", "0"),
            &[
                ("+442079460123", london),
                ("%2B442079460123", london),
                ("%2b44-20-7946-0123", london),
                ("+44 (20) 7946.0123", london),
                ("00442079460123", london),
                ("02079460123", london),
                ("442079460123", london),
                ("+442079460123;phone-context=example.com", london),
                ("08001111", Some("+448001111")),
                ("00880123456", Some("+880123456")),
                ("79460123", Some("79460123")),
                ("999", Some("999")),
                ("0999", Some("0999")),
                ("100", Some("100")),
            ],
        );
    }

    #[test]
    fn a_country_without_trunk_prefix() {
        let new_york = Some("+12125550123");
        let america = Plan::new(Some("1"), "011", "");
        check(
            &america,
            &[
                ("2125550123", new_york),
                ("12125550123", new_york),
                ("+1-212-555-0123", new_york),
                ("0114930123456", Some("+4930123456")),
                ("911", Some("911")),
            ],
        );
        // Danish numbers have eight digits and may begin like the country code.
        let denmark = Plan::new(Some("45"), "00", "");
        check(&denmark, &[("45123456", Some("+4545123456")), ("4545123456", Some("+4545123456"))]);
    }

    #[test]
    fn without_country_code_nothing_is_guessed() {
        let plan = Plan::new(None, "00", "0");
        let table = [("+4930123456", Some("+4930123456")), ("004930123456", Some("+4930123456"))];
        check(&plan, &table);
        check(&plan, &[("02079460123", Some("02079460123")), ("442079460123", Some("442079460123"))]);
        check(&Plan::default(), &[("004930123456", Some("004930123456")), ("+1", Some("+1"))]);
    }

    #[test]
    fn what_is_no_number() {
        let plan = Plan::new(Some("44"), "00", "0");
        let names = ["", "+", "alice", "*72", "#31#", "12a", "++44", "4+4", "10.0.0.1", "192.168.100.200", "%", "%4"];
        check(&plan, &names.map(|name| (name, None)));
        check(&plan, &[("+0442079460123", None), ("anonymous", None), ("-.()", None)]);
        // Longer than any number of E.164.
        check(&plan, &[("+123456789012345", Some("+123456789012345")), ("+1234567890123456", None)]);
        check(&plan, &[("001234567890123456", None), ("123456789012345678901234567890", None)]);
    }

    #[test]
    fn the_same_number_is_equal_however_it_is_dialled() {
        let plan = Plan::new(Some("44"), "00", "0");
        let number = |user: &str| Number::parse(user.as_bytes(), &plan);
        assert_eq!(number("02079460123"), number("+44 20 7946 0123"));
        assert_ne!(number("100"), number("0100"));
    }

    proptest::proptest! {
        #[test]
        fn whatever_stands_there_is_survived(user: Vec<u8>, country in 1..999_u16) {
            let plan = Plan::new(Some(&country.to_string()), "00", "");
            if let Some(number) = Number::parse(&user, &plan) {
                proptest::prop_assert!((1..=MAX_DIGITS).contains(&number.digits().len()));
                proptest::prop_assert!(number.digits().iter().all(u8::is_ascii_digit));
            }
        }

        #[test]
        fn digits_are_kept(digits in "[1-9][0-9]{6,14}") {
            let number = Number::parse(format!("+{digits}").as_bytes(), &Plan::default());
            proptest::prop_assert_eq!(number.map(|number| number.digits().to_vec()), Some(digits.into_bytes()));
        }
    }
}
