//! Whether an answer is as it should be.

use super::sheet::{FAMILIES, JSON_STATE, JSON_VALUE, REGEX, Sheet};
use crate::config::Probe as Settings;
use crate::sources::{Failure, Reason};

/// Longest part of an answer that the log repeats, bytes.
const MAX_SHOWN: usize = 100;

/// Looks for what the answer must hold, and for what it must not.
pub fn search(settings: &Settings, answer: &[u8], sheet: &mut Sheet) -> Result<(), Failure> {
    let found = |pattern: &Option<crate::config::Pattern>| pattern.as_ref().map(|pattern| pattern.0.is_match(answer));
    let (wanted, unwanted) = (found(&settings.matches), found(&settings.refuses));
    if wanted.is_none() && unwanted.is_none() {
        return Ok(());
    }
    let failed = wanted == Some(false) || unwanted == Some(true);
    sheet.set(&FAMILIES[REGEX], f64::from(u8::from(failed)));
    if !failed {
        return Ok(());
    }
    let shown = String::from_utf8_lossy(answer.get(..MAX_SHOWN).unwrap_or(answer)).into_owned();
    let what = if wanted == Some(false) { "does not hold what it must" } else { "holds what it must not" };
    Err(Failure::new(Reason::Answer, format_args!("the answer {what}: {shown:?}")))
}

/// The status code is one of the configured ones.
pub fn status(settings: &Settings, code: u16) -> Result<(), Failure> {
    match settings.status.iter().any(|(first, last)| (*first..=*last).contains(&code)) {
        true => Ok(()),
        false => Err(Failure::new(Reason::Answer, format_args!("the status code is {code}"))),
    }
}

/// The number or the state at the configured place.
pub fn json(settings: &Settings, answer: &[u8], sheet: &mut Sheet) -> Result<(), Failure> {
    let Some(pointer) = &settings.http.json else { return Ok(()) };
    let odd = |what: &str| Failure::new(Reason::Answer, format_args!("the JSON answer {what}"));
    let document: serde_json::Value =
        serde_json::from_slice(answer).map_err(|error| odd(&format!("cannot be read: {error}")))?;
    let value = document.pointer(pointer).ok_or_else(|| odd(&format!("has nothing at {pointer:?}")))?;
    let states = &settings.http.states;
    if !states.is_empty() {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let at = states.iter().position(|state| *state == text);
        for (place, state) in states.iter().enumerate() {
            sheet.set_of(&FAMILIES[JSON_STATE], state, f64::from(u8::from(Some(place) == at)));
        }
        sheet.set_of(&FAMILIES[JSON_STATE], "other", f64::from(u8::from(at.is_none())));
        return match at {
            Some(place) => {
                sheet.set(&FAMILIES[JSON_VALUE], place as f64);
                Ok(())
            }
            None => Err(odd(&format!("has an unknown state at {pointer:?}"))),
        };
    }
    let number = match value {
        serde_json::Value::Bool(yes) => Some(f64::from(u8::from(*yes))),
        serde_json::Value::Number(number) => number.as_f64(),
        serde_json::Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    sheet.set(&FAMILIES[JSON_VALUE], number.ok_or_else(|| odd(&format!("has no number at {pointer:?}")))?);
    Ok(())
}
