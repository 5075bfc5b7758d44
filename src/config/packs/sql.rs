//! A statement: its words in braces filled in, its parameters found. What is text, a comment or a quoted name stays as it is.

use std::collections::BTreeMap;

/// One statement that reads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Statement {
    /// What stands before, between and after the parameters.
    pub parts: Vec<String>,
    pub parameters: Vec<Parameter>,
}

/// What a window gives to a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parameter {
    From,
    To,
    Now,
}

impl Parameter {
    pub const ALL: [(&'static str, Parameter); 3] =
        [("from", Parameter::From), ("to", Parameter::To), ("now", Parameter::Now)];
}

/// What is wrong with a statement, and what to do about it.
pub(super) type Wrong = (String, String);

impl Statement {
    /// Takes `text` apart after filling in `words`.
    pub(super) fn parse(text: &str, words: &BTreeMap<String, String>) -> Result<Statement, Wrong> {
        let text = fill(text, words)?;
        let mut statement = Statement { parts: vec![String::new()], parameters: Vec::new() };
        let mut rest = text.as_str();
        while let Some(first) = rest.chars().next() {
            let length = opaque(rest).unwrap_or(first.len_utf8());
            let (taken, after) = rest.split_at(length);
            if length == 1 && first == ';' {
                if !after.trim().is_empty() {
                    return Err(("holds more than one statement".to_owned(), "make a query of each".to_owned()));
                }
                break;
            }
            let found = if length == 1 && first == ':' && !statement.ends_with(':') { parameter(after) } else { None };
            match found {
                Some((parameter, length)) => {
                    statement.parameters.push(parameter);
                    statement.parts.push(String::new());
                    rest = &after[length..];
                }
                None => {
                    statement.push(taken);
                    rest = after;
                }
            }
        }
        statement.check()
    }

    fn push(&mut self, text: &str) {
        if let Some(part) = self.parts.last_mut() {
            part.push_str(text);
        }
    }

    fn ends_with(&self, c: char) -> bool {
        self.parts.last().is_some_and(|part| part.ends_with(c))
    }

    fn check(self) -> Result<Statement, Wrong> {
        let mut start = self.parts[0].trim_start();
        while let Some(length) = opaque(start).filter(|_| start.starts_with(['-', '/'])) {
            start = start[length..].trim_start();
        }
        let word: String = start.chars().take_while(char::is_ascii_alphabetic).collect();
        match word.to_ascii_uppercase().as_str() {
            "SELECT" | "WITH" => Ok(self),
            _ => Err((format!("begins with {word:?}"), "write one statement that reads: SELECT or WITH".to_owned())),
        }
    }

    /// The statement with what `shown` makes of each parameter.
    pub fn text(&self, mut shown: impl FnMut(usize, Parameter) -> String) -> String {
        let mut out = String::new();
        for (at, part) in self.parts.iter().enumerate() {
            out.push_str(part);
            if let Some(parameter) = self.parameters.get(at) {
                out.push_str(&shown(at, *parameter));
            }
        }
        out
    }
}

/// The parameter that a text begins with, and the length of its name.
fn parameter(text: &str) -> Option<(Parameter, usize)> {
    let length = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
    let name = &text[..length];
    Parameter::ALL.iter().find(|(known, _)| *known == name).map(|(_, parameter)| (*parameter, length))
}

/// The length of the string, quoted name or comment that a text begins with.
fn opaque(text: &str) -> Option<usize> {
    let end = |from: usize, mark: &str| text[from..].find(mark).map_or(text.len(), |at| from + at + mark.len());
    match text.as_bytes() {
        [b'\'', ..] => Some(end(1, "'")),
        [b'"', ..] => Some(end(1, "\"")),
        [b'`', ..] => Some(end(1, "`")),
        [b'-', b'-', ..] => Some(end(2, "\n")),
        [b'/', b'*', ..] => Some(end(2, "*/")),
        _ => None,
    }
}

/// Puts the words in place of their names in braces; a word may hold others.
pub(super) fn fill(text: &str, words: &BTreeMap<String, String>) -> Result<String, Wrong> {
    /// Deeper than any sensible word refers to others.
    const DEPTH: usize = 8;
    let mut text = text.to_owned();
    for _ in 0..DEPTH {
        let (mut out, mut rest, mut filled) = (String::new(), text.as_str(), false);
        while let Some(open) = rest.find('{') {
            let Some(length) = rest[open..].find('}') else { break };
            let name = &rest[open + 1..open + length];
            let Some(word) = words.get(name) else {
                let known = words.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
                return Err((format!("names {{{name}}}, which is no word of [names]"), format!("known: {known}")));
            };
            out.push_str(&rest[..open]);
            out.push_str(word);
            rest = &rest[open + length + 1..];
            filled = true;
        }
        out.push_str(rest);
        text = out;
        if !filled {
            return Ok(text);
        }
    }
    Err(("has words that go on without end".to_owned(), "a word of [names] may not lead back to itself".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<String, String> {
        let words = [("calls", "app.calls"), ("calls.time", "{calls}.at"), ("loop", "{loop}")];
        let words = words.into_iter().map(|(name, word)| (name.to_owned(), word.to_owned())).collect();
        let shown = |at: usize, parameter| format!("${}{parameter:?}", at + 1);
        Statement::parse(text, &words).map(|statement| statement.text(shown)).map_err(|(message, _)| message)
    }

    #[test]
    fn words_and_parameters() {
        let text =
            "SELECT ':from', x::int, \":to\" FROM {calls} -- :now\nWHERE {calls.time}>=:from AND {calls.time}<:to;\n";
        let want =
            "SELECT ':from', x::int, \":to\" FROM app.calls -- :now\nWHERE app.calls.at>=$1From AND app.calls.at<$2To";
        assert_eq!(parse(text).as_deref(), Ok(want));
        let text = "-- why\n/* so */ with x as (select 1) select * from x, :nowhere";
        assert_eq!(parse(text).as_deref(), Ok(text));
    }

    #[test]
    fn what_is_no_single_question_is_refused() {
        for (text, message) in [
            ("DELETE FROM x", "begins with \"DELETE\""),
            ("SELECT 1; DROP TABLE x", "holds more than one statement"),
            ("SELECT {who}", "names {who}, which is no word of [names]"),
            ("SELECT {loop}", "has words that go on without end"),
            ("", "begins with \"\""),
        ] {
            assert_eq!(parse(text), Err(message.to_owned()));
        }
        assert!(parse("SELECT 'a;b' -- ; c").is_ok());
    }
}
