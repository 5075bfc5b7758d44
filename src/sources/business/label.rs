//! From what a row or an event says to the value of a label.

use std::borrow::Cow;
use std::collections::HashSet;

use jiff::Zoned;

use super::looks_personal;
use crate::call::matches;
use crate::config::{LabelFrom, LabelRule, TimePart, Values, band};

/// What is known of a value before it is a label's.
pub type Raw<'a> = Option<Cow<'a, str>>;

/// The values that labels of any value have taken already.
pub type Tops = HashSet<String>;

/// Makes labels of one row or event.
pub struct Labeller<'a, R> {
    /// A column or a property by its name.
    pub raw: R,
    /// When it happened, in the pack's zone.
    pub at: Option<&'a Zoned>,
    /// Values that were no label because they look like a person.
    pub refused: u64,
}

impl<'a, R: Fn(&str) -> Raw<'a>> Labeller<'a, R> {
    /// The value of a label; `top` decides whether a value of any kind may be one. None: what has it is not counted.
    pub fn value<'r>(&mut self, rule: &'r LabelRule, top: impl FnMut(&str, usize) -> bool) -> Option<Cow<'r, str>>
    where
        'a: 'r,
    {
        match rule {
            LabelRule::Fixed(value) => Some(Cow::Borrowed(value)),
            LabelRule::Time(part) => self.at.map(|at| Cow::Owned(time(*part, at))),
            LabelRule::From(from) => self.from(from, top),
        }
    }

    fn from<'r>(&mut self, from: &'r LabelFrom, mut top: impl FnMut(&str, usize) -> bool) -> Option<Cow<'r, str>>
    where
        'a: 'r,
    {
        let raw = (self.raw)(&from.name).filter(|raw| !raw.is_empty());
        if let Values::Present { present, absent } = &from.values {
            return Some(Cow::Borrowed(if raw.is_some() { present } else { absent }));
        }
        let Some(raw) = raw else {
            let is_staff = matches!(from.values, Values::Alias(_));
            return (!is_staff).then_some(Cow::Borrowed(from.missing.as_str()));
        };
        let other = Cow::Borrowed(from.other.as_str());
        Some(match &from.values {
            Values::Listed(values) => match values.iter().find(|value| **value == raw) {
                Some(value) => Cow::Borrowed(value.as_str()),
                None => other,
            },
            Values::Mapped(map) => map.get(raw.as_ref()).map_or(other, |value| Cow::Borrowed(value.as_str())),
            Values::Grouped(groups) => groups
                .iter()
                .find(|(pattern, _)| matches(pattern.as_bytes(), raw.as_bytes()))
                .map_or(other, |(_, group)| Cow::Borrowed(group.as_str())),
            Values::Alias(aliases) => Cow::Borrowed(aliases.get(raw.as_ref())?.as_str()),
            Values::Bands(bounds) => banded(bounds, &raw).map_or(other, Cow::Owned),
            Values::Top(most) if looks_personal(&raw).is_none() => {
                if top(&raw, *most) {
                    raw
                } else {
                    other
                }
            }
            Values::Top(_) => {
                self.refused += 1;
                other
            }
            Values::Present { .. } => other,
        })
    }
}

/// Whether a value is among the first `most`, or becomes one of them.
pub fn matching(tops: &mut Tops, value: &str, most: usize) -> bool {
    tops.contains(value) || (tops.len() < most && tops.insert(value.to_owned()))
}

fn banded(bounds: &[f64], raw: &str) -> Option<String> {
    let number: f64 = raw.parse().ok().filter(|number: &f64| number.is_finite())?;
    let at = bounds.iter().rposition(|low| *low <= number)?;
    Some(band(bounds, at))
}

fn time(part: TimePart, at: &Zoned) -> String {
    match part {
        TimePart::Hour => format!("{:02}", at.hour()),
        TimePart::Weekday => at.weekday().to_monday_zero_offset().to_string(),
    }
}
