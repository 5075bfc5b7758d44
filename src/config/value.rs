//! One value: what was typed -> what is valid, or what is wrong with it.
//!
//! A fault's message goes on where the key ends: "`media.interval` " + "must be a duration, not 5".

use std::collections::BTreeSet;
use std::ops::{Range, RangeInclusive};
use std::time::Duration;

use humantime::format_duration;
use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeValue, ValueDeserializer};

use super::masks;
use super::report::Fault;

/// A value with its place.
pub(super) type Value<'i> = Spanned<DeValue<'i>>;
/// A valid value, or everything that is wrong with it.
pub(super) type Checked<T> = Result<T, Vec<Fault>>;

/// Longest part of a typed value that a message repeats, in characters.
const MAX_QUOTED: usize = 60;

/// One fault at `span`.
pub(super) fn fault<T>(span: Range<usize>, message: impl Into<String>, hint: impl Into<String>) -> Checked<T> {
    Err(vec![Fault::new(span, message, hint)])
}

/// `text`, printable and not too long.
pub(super) fn shown(text: &str) -> String {
    let mut shown: String = masks::url(text).chars().take(MAX_QUOTED).flat_map(char::escape_debug).collect();
    if text.chars().nth(MAX_QUOTED).is_some() {
        shown.push_str("...");
    }
    shown
}

/// `text` in quotes, as it is typed in TOML.
pub(super) fn quoted(text: &str) -> String {
    format!("\"{}\"", shown(text))
}

/// What was typed, for a message.
pub(super) fn found(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => quoted(text),
        DeValue::Integer(number) => number.to_string(),
        DeValue::Float(number) => number.to_string(),
        DeValue::Boolean(yes) => yes.to_string(),
        DeValue::Datetime(time) => time.to_string(),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a section".to_owned(),
    }
}

/// One fault: something else was expected.
pub(super) fn mismatch<T>(value: &Value<'_>, expected: &str, hint: impl Into<String>) -> Checked<T> {
    fault(value.span(), format!("must be {expected}, not {}", found(value.get_ref())), hint)
}

/// Deserialises with serde; its error names Rust's types, so `expected` and `hint` say it in an operator's words.
fn typed<'i, T: Deserialize<'i>>(value: Value<'i>, expected: &str, hint: &str) -> Checked<T> {
    T::deserialize(ValueDeserializer::from(value.clone())).or_else(|_| mismatch(&value, expected, hint))
}

/// `true` or `false`.
pub(super) fn boolean(value: Value<'_>) -> Checked<bool> {
    let hint = match value.get_ref().as_str().map(str::to_lowercase).as_deref() {
        Some("true" | "yes" | "on") => "write true, without quotes",
        Some("false" | "no" | "off") => "write false, without quotes",
        _ => "write true or false, without quotes",
    };
    typed(value, "true or false", hint)
}

/// A whole number in `valid`.
pub(super) fn count(value: Value<'_>, valid: RangeInclusive<usize>) -> Checked<usize> {
    let hint = match value.get_ref().as_str().map(str::parse::<usize>) {
        Some(Ok(number)) => format!("write {number} without quotes"),
        _ => "write digits only, as in 256".to_owned(),
    };
    let DeValue::Integer(number) = value.get_ref() else {
        return typed(value, "a whole number", &hint);
    };
    let negative = number.as_str().starts_with('-');
    match usize::deserialize(ValueDeserializer::from(value.clone())) {
        Ok(number) if valid.contains(&number) => Ok(number),
        parsed => {
            let low = negative || parsed.is_ok_and(|number| number < *valid.start());
            let nearest = if low { valid.start() } else { valid.end() };
            let expected = format!("from {} to {}", valid.start(), valid.end());
            mismatch(&value, &expected, format!("the nearest is {nearest}"))
        }
    }
}

/// A number, whole or not.
pub(super) fn number(value: Value<'_>) -> Checked<f64> {
    let is_number = matches!(value.get_ref(), DeValue::Integer(_) | DeValue::Float(_));
    match f64::deserialize(ValueDeserializer::from(value.clone())) {
        Ok(number) if is_number && number.is_finite() => Ok(number),
        _ => mismatch(&value, "a number", "write digits only, as in 0.5 or 60"),
    }
}

/// A string.
pub(super) fn string(value: Value<'_>) -> Checked<String> {
    let hint = format!("write \"{}\"", found(value.get_ref()));
    typed(value, "a string", &hint)
}

/// A string with something in it that a terminal and a C library can take.
pub(super) fn text(value: Value<'_>) -> Checked<String> {
    let span = value.span();
    let text = string(value)?;
    if text.trim().is_empty() {
        return fault(span, "is empty", "delete the line to get the default");
    }
    if text.chars().any(|c| c.is_control() && !c.is_whitespace()) {
        return fault(span, "holds a control character", "delete the escape, such as \\u0000");
    }
    Ok(text)
}

/// One of some words.
pub(super) fn choice<T: Copy>(value: Value<'_>, choices: &[(&str, T)]) -> Checked<T> {
    let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
    let typed = value.get_ref().as_str().unwrap_or("");
    if let Some((_, choice)) = choices.iter().find(|(name, _)| *name == typed) {
        return Ok(*choice);
    }
    let hint = match nearest(typed, &names) {
        Some(name) => format!("did you mean \"{name}\"?"),
        None => format!("write one of \"{}\"", names.join("\", \"")),
    };
    mismatch(&value, &format!("one of {}", names.join(", ")), hint)
}

/// The name that `typed` most likely stands for.
pub(super) fn nearest<'n>(typed: &str, names: &[&'n str]) -> Option<&'n str> {
    // The distance takes the product of both lengths: no name is that long.
    if typed.len() > 64 {
        return None;
    }
    let typed = typed.to_lowercase().replace('-', "_");
    let distance = |name: &str| strsim::osa_distance(&typed, name);
    let short = |name: &str| typed.len().min(name.len()) >= 3 && (typed.starts_with(name) || name.starts_with(&*typed));
    let near = |name: &&str| distance(name) <= (name.len() / 3).max(1) || short(name);
    names.iter().copied().filter(near).min_by_key(|name| distance(name))
}

/// A duration such as `"5s"` in `valid`.
pub(super) fn duration(value: Value<'_>, valid: RangeInclusive<Duration>) -> Checked<Duration> {
    let hint = match value.get_ref() {
        DeValue::String(typed) => in_seconds(typed),
        number => in_seconds(&found(number)),
    };
    let typed: String = typed(value.clone(), "a duration", &hint)?;
    match humantime::parse_duration(&typed) {
        Ok(time) if valid.contains(&time) => Ok(time),
        Ok(time) => {
            let nearest = format_duration(time.clamp(*valid.start(), *valid.end()));
            let (first, last) = (format_duration(*valid.start()), format_duration(*valid.end()));
            let message = format!("must be from {first} to {last}, not {}", format_duration(time));
            fault(value.span(), message, format!("the nearest is \"{nearest}\""))
        }
        Err(_) => mismatch(&value, "a duration", hint),
    }
}

/// The hint for a duration that was typed as a bare number, or as nothing that can be understood.
fn in_seconds(typed: &str) -> String {
    let seconds = typed.parse().ok().and_then(|number| Duration::try_from_secs_f64(number).ok());
    match seconds {
        Some(time) => format!("write \"{}\"", format_duration(time)),
        None => "write a number and its unit, as in \"500ms\", \"5s\" or \"1m 30s\"".to_owned(),
    }
}

/// Bytes: a number, or a string with a unit such as `"16MiB"`.
pub(super) fn bytes(value: Value<'_>, valid: RangeInclusive<u32>) -> Checked<u32> {
    let size = match value.get_ref() {
        DeValue::Integer(_) => u64::deserialize(ValueDeserializer::from(value.clone())).ok(),
        DeValue::String(typed) => parse_bytes(typed),
        _ => None,
    };
    match size {
        None => {
            mismatch(&value, "a size in bytes", "write a number, or one with a unit, as in \"512KiB\" or \"16MiB\"")
        }
        Some(size) => match u32::try_from(size) {
            Ok(size) if valid.contains(&size) => Ok(size),
            _ => {
                let (first, last) = (*valid.start(), *valid.end());
                let nearest = size.clamp(u64::from(first), u64::from(last));
                let hint = format!("the nearest is \"{}\"", format_bytes(nearest));
                let (first, last) = (format_bytes(first.into()), format_bytes(last.into()));
                fault(value.span(), format!("must be from {first} to {last}, not {}", format_bytes(size)), hint)
            }
        },
    }
}

/// Binary units, IEC 80000-13.
const UNITS: [(&str, u64); 4] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

fn parse_bytes(typed: &str) -> Option<u64> {
    UNITS.iter().find_map(|(unit, size)| {
        let number: u64 = typed.strip_suffix(unit)?.trim_end().parse().ok()?;
        number.checked_mul(*size)
    })
}

fn format_bytes(bytes: u64) -> String {
    let unit = UNITS.iter().find(|(_, size)| bytes >= *size && bytes.is_multiple_of(*size));
    unit.map_or_else(|| format!("{bytes}B"), |(name, size)| format!("{}{name}", bytes / size))
}

/// The items of a list.
pub(super) fn list<'i>(value: Value<'i>, of: &str, example: &str) -> Checked<Vec<Value<'i>>> {
    let hint = match value.get_ref() {
        DeValue::Array(_) | DeValue::Table(_) => format!("write [{example}]"),
        scalar => format!("write [{}]", found(scalar)),
    };
    let place = value.span();
    match value.into_inner() {
        DeValue::Array(items) => Ok(items.into_iter().collect()),
        other => mismatch(&Spanned::new(place, other), &format!("a list of {of}"), hint),
    }
}

/// Checks each item, and reports the faults of all of them.
pub(super) fn each<'i, T>(items: Vec<Value<'i>>, check: impl Fn(Value<'i>) -> Checked<T>) -> Checked<Vec<Spanned<T>>> {
    let mut valid = Vec::new();
    let mut faults = Vec::new();
    for item in items {
        let place = item.span();
        match check(item) {
            Ok(item) => valid.push(Spanned::new(place, item)),
            Err(found) => faults.extend(found),
        }
    }
    if faults.is_empty() { Ok(valid) } else { Err(faults) }
}

/// Refuses what is listed twice.
pub(super) fn distinct<T: Ord + ToString>(items: Vec<Spanned<T>>) -> Checked<Vec<Spanned<T>>> {
    let mut seen = BTreeSet::new();
    let twice = items.iter().filter(|item| !seen.insert(item.get_ref()));
    let faults: Vec<Fault> = twice
        .map(|item| {
            Fault::new(item.span(), format!("lists {} twice", item.get_ref().to_string()), "delete one of them")
        })
        .collect();
    if faults.is_empty() { Ok(items) } else { Err(faults) }
}

/// Drops the places.
pub(super) fn plain<T>(items: Vec<Spanned<T>>) -> Vec<T> {
    items.into_iter().map(Spanned::into_inner).collect()
}
