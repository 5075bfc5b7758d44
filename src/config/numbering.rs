//! How telephone numbers are dialled here.

use super::section::Document;
use super::value::{Checked, Value, mismatch, string};

/// Longest country code (ITU-T E.164 clause 6.2.1).
const MAX_COUNTRY_CODE: usize = 3;
/// Longest prefix; the longest in use have four digits (ITU-T operational bulletin on dialling procedures).
const MAX_PREFIX: usize = 5;

/// How telephone numbers are dialled here, so that all ways to dial one are the same number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Numbering {
    /// The country code that national numbers are in; without it they stay as they were dialled.
    pub country_code: Option<String>,
    /// What stands before a country code where no plus sign does; may be empty.
    pub international_prefix: String,
    /// What stands before a national number; empty where nothing does.
    pub trunk_prefix: String,
}

impl Default for Numbering {
    fn default() -> Self {
        Numbering {
            country_code: None,
            // ITU-T E.164 clause 7.3.1 and E.123 recommend both.
            international_prefix: "00".to_owned(),
            trunk_prefix: "0".to_owned(),
        }
    }
}

pub(super) fn read(document: &mut Document<'_>) -> Numbering {
    let default = Numbering::default();
    document.section("numbering", |section| {
        let numbering = Numbering {
            country_code: section.take("country_code", default.country_code, |typed| country_code(typed).map(Some)),
            international_prefix: section.take("international_prefix", default.international_prefix, prefix),
            trunk_prefix: section.take("trunk_prefix", default.trunk_prefix, prefix),
        };
        section.require(
            numbering.country_code.as_deref() != Some("1") || numbering.trunk_prefix.is_empty(),
            ["trunk_prefix", "country_code"],
            "must be empty where `country_code` is \"1\": in North America the 1 before a number is its country code",
            "write trunk_prefix = \"\"",
        );
        numbering
    })
}

fn country_code(value: Value<'_>) -> Checked<String> {
    let code = string(value.clone())?;
    let digits = code.len() <= MAX_COUNTRY_CODE && code.bytes().all(|byte| byte.is_ascii_digit());
    if digits && !code.is_empty() && !code.starts_with('0') {
        return Ok(code);
    }
    let bare: String = code.trim_start_matches(['+', '0']).to_owned();
    let hint = match bare.len() {
        1..=MAX_COUNTRY_CODE if bare.bytes().all(|byte| byte.is_ascii_digit()) => format!("\"{bare}\"?"),
        _ => "write it without plus sign and zeros, as in \"44\"".to_owned(),
    };
    mismatch(&value, "a country code of one to three digits", hint)
}

fn prefix(value: Value<'_>) -> Checked<String> {
    let prefix = string(value.clone())?;
    if prefix.len() <= MAX_PREFIX && prefix.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(prefix);
    }
    mismatch(
        &value,
        &format!("up to {MAX_PREFIX} digits"),
        "write digits only, as in \"00\", or \"\" where there is none",
    )
}
