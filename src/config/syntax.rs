//! The TOML parser's errors, each with a hint.

use std::collections::BTreeSet;
use std::ops::Range;

use super::report::{Fault, Lines};

/// What is no TOML in a document.
pub(super) struct Syntax {
    /// In the order of the file, the first of each line: the parser guesses what the rest of a broken line is.
    faults: Vec<Fault>,
    broken_lines: BTreeSet<usize>,
    /// From here on an open bracket swallows the document, and nothing in it is what it seems.
    swallowed_from: usize,
    /// A header is broken: whose the keys below are is not certain.
    broken_header: bool,
}

impl Syntax {
    /// Sorts out the parser's errors; `bad_byte` is the offset of the first byte that was no UTF-8.
    pub fn new(lines: &Lines<'_>, errors: Vec<toml::de::Error>, bad_byte: Option<usize>) -> Self {
        let open = errors.iter().any(|error| leaves_open(error.message()));
        let mut faults: Vec<Fault> = errors.into_iter().map(|error| fault(lines.text, error)).collect();
        faults.extend(bad_byte.map(|at| Fault::new(at..at + 1, "this is no UTF-8 text", "save the file as UTF-8")));
        faults.sort_by_key(|fault| fault.span.start);
        let swallows = |fault: &&Fault| leaves_open(&fault.message) || fault.message.starts_with("missing comma");
        let swallowed_from = match faults.iter().find(swallows) {
            Some(first) if open => first.span.start,
            _ => usize::MAX,
        };
        let mut broken_lines = BTreeSet::new();
        faults.retain(|fault| fault.span.start <= swallowed_from && broken_lines.insert(lines.index(fault.span.start)));
        let is_header = |line: usize| lines.line(line).trim_start().starts_with('[');
        let broken_header =
            faults.iter().any(|fault| fault.span.start < swallowed_from && is_header(lines.index(fault.span.start)));
        Syntax { faults, broken_lines, swallowed_from, broken_header }
    }

    /// Whether there is nothing to say.
    pub fn is_empty(&self) -> bool {
        self.faults.is_empty()
    }

    /// Whether each key is in the section in which it was typed.
    pub fn keys_are_certain(&self) -> bool {
        !self.broken_header
    }

    /// These faults, and those of `others` whose lines could be read for certain.
    pub fn merge(self, others: Vec<Fault>, lines: &Lines<'_>) -> Vec<Fault> {
        let sound = |fault: &Fault| {
            fault.span.start < self.swallowed_from && !self.broken_lines.contains(&lines.index(fault.span.start))
        };
        let mut all: Vec<Fault> = others.into_iter().filter(sound).collect();
        all.extend(self.faults);
        all
    }
}

fn leaves_open(message: &str) -> bool {
    message.starts_with("unclosed array,") || message.starts_with("unclosed inline table")
}

fn fault(text: &str, error: toml::de::Error) -> Fault {
    let span: Range<usize> = error.span().unwrap_or(text.len()..text.len());
    let hint = hint(error.message(), text.get(span.clone()).unwrap_or(""));
    // The parser's own words for "there should be something else", which tell an operator nothing.
    let message = error.message().trim_end_matches(", expected nothing").trim_end_matches(", expected literal string");
    Fault::new(span, message, hint)
}

/// What to do about the parser's `message` on the text `wrong`.
fn hint(message: &str, wrong: &str) -> String {
    let about = |start: &str| message.starts_with(start);
    let number = ["float", "integer", "number", "mantissa", "fraction", "exponent", "date", "time"];
    let hint = if wrong.is_empty() && about("string values") {
        "write a value behind the ="
    } else if about("string values must be quoted") || about("invalid boolean") {
        match wrong.to_lowercase().as_str() {
            "true" | "yes" | "on" => "write true",
            "false" | "no" | "off" => "write false",
            _ => "put it in quotes: \"...\"",
        }
    } else if about("duplicate key") {
        "it stands further up already: keep one of them"
    } else if about("missing comma") {
        "add a comma, or close the bracket that is open"
    } else if about("unclosed") {
        "close the bracket that is open"
    } else if about("key with no value") || about("missing value") {
        "write key = value"
    } else if wrong == ":" {
        "write = between a key and its value"
    } else if about("unexpected key or value") {
        "put strings in quotes, and begin a new line for each key"
    } else if wrong.chars().any(char::is_control) {
        "delete the control character"
    } else if about("invalid basic string") || about("invalid literal string") || about("invalid multi-line") {
        "end the string with the quotes that it began with"
    } else if about("missing escaped value") {
        "write \\\\ for a backslash, or put the string in 'single quotes'"
    } else if about("extra") || about("unexpected leading zero") || about("redundant") {
        "delete it"
    } else if number.iter().any(|kind| message.starts_with(&format!("invalid {kind}"))) {
        "put text in quotes: \"...\"; write numbers with digits only"
    } else {
        "TOML is key = value, strings in \"quotes\", lists in [brackets], sections under [name]"
    };
    hint.to_owned()
}
