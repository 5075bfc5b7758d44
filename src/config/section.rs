//! Takes a TOML document apart, section by section and key by key, and keeps every fault on the way.

use std::collections::BTreeMap;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::report::{ConfigError, Fault, Lines, invalid};
use super::syntax::Syntax;
use super::value::{self, Checked, Value, found, nearest, shown};

/// A document that is being read.
pub(super) struct Document<'i> {
    lines: Lines<'i>,
    root: DeTable<'i>,
    /// While the TOML itself has faults, nothing is said about what is missing or does not fit together.
    syntax: Syntax,
    faults: Vec<Fault>,
    /// Keys of each section; the root's under the empty name.
    known: BTreeMap<&'static str, Vec<&'static str>>,
    unknown: Vec<Unknown>,
}

/// A key that nobody took.
struct Unknown {
    section: &'static str,
    key: String,
    span: Range<usize>,
}

impl<'i> Document<'i> {
    /// Parses `text`; `bad_byte` is the offset of the first byte that was no UTF-8.
    pub fn parse(text: &'i str, bad_byte: Option<usize>) -> Self {
        let lines = Lines::new(text);
        let (root, errors) = DeTable::parse_recoverable(text);
        let syntax = Syntax::new(&lines, errors, bad_byte);
        let root = root.into_inner();
        Document { lines, root, syntax, faults: Vec::new(), known: BTreeMap::new(), unknown: Vec::new() }
    }

    /// Reads the section `[name]`, which may be absent.
    pub fn section<T>(&mut self, name: &'static str, read: impl FnOnce(&mut Section<'_, 'i>) -> T) -> T {
        self.known.entry("").or_default().push(name);
        let value = self.root.remove(name).unwrap_or_else(|| Spanned::new(0..0, DeValue::Table(DeTable::new())));
        let span = value.span();
        let table = match value.into_inner() {
            DeValue::Table(table) => table,
            other => {
                let message = format!("`{name}` must be one section, not {}", found(&other));
                self.complain(span.clone(), message, format!("write [{name}] once, and its keys below"));
                DeTable::new()
            }
        };
        self.read(name, span, table, read)
    }

    /// Reads each section `[[name]]`.
    pub fn sections<T>(&mut self, name: &'static str, mut read: impl FnMut(&mut Section<'_, 'i>) -> T) -> Vec<T> {
        self.known.entry("").or_default().push(name);
        let Some(value) = self.root.remove(name) else {
            return Vec::new();
        };
        let span = value.span();
        let hint = format!("write [[{name}]] above the keys of each");
        let items = match value.into_inner() {
            DeValue::Array(items) => items,
            other => {
                let message = format!("`{name}` must be a list of sections, not {}", found(&other));
                self.complain(span, message, hint);
                return Vec::new();
            }
        };
        let mut all = Vec::new();
        for item in items {
            let span = item.span();
            match item.into_inner() {
                DeValue::Table(table) => all.push(self.read(name, span, table, &mut read)),
                other => {
                    let message = format!("`{name}` must be a list of sections, not of {}", found(&other));
                    self.complain(span, message, hint.as_str());
                }
            }
        }
        all
    }

    /// The checked value of a key that stands above all sections.
    pub fn root<T>(&mut self, key: &'static str, default: T, check: impl FnOnce(Value<'i>) -> Checked<T>) -> T {
        self.known.entry("").or_default().push(key);
        let Some(value) = self.root.remove(key) else {
            return default;
        };
        check(value).unwrap_or_else(|faults| {
            for fault in faults {
                self.complain(fault.span, format!("`{key}` {}", fault.message), fault.hint);
            }
            default
        })
    }

    fn read<T>(
        &mut self,
        name: &'static str,
        span: Range<usize>,
        table: DeTable<'i>,
        read: impl FnOnce(&mut Section<'_, 'i>) -> T,
    ) -> T {
        let mut section = Section { name, span, table, keys: Vec::new(), typed: BTreeMap::new(), document: self };
        let read = read(&mut section);
        let Section { table, keys, .. } = section;
        self.unknown_keys(name, table);
        self.known.insert(name, keys);
        read
    }

    fn unknown_keys(&mut self, section: &'static str, table: DeTable<'i>) {
        if !self.syntax.keys_are_certain() {
            return;
        }
        self.unknown.extend(table.into_iter().map(|(key, _)| Unknown {
            section,
            span: key.span(),
            key: key.into_inner().into_owned(),
        }));
    }

    /// Whether the TOML is sound, so that what was not found was not typed.
    pub fn is_whole(&self) -> bool {
        self.syntax.is_empty()
    }

    /// Records a fault.
    pub fn complain(&mut self, span: Range<usize>, message: impl Into<String>, hint: impl Into<String>) {
        self.faults.push(Fault::new(span, message, hint));
    }

    /// Gives `valid` back if there was no fault.
    pub fn finish<T>(mut self, name: &str, valid: T) -> Result<T, ConfigError> {
        let rest = std::mem::take(&mut self.root);
        self.unknown_keys("", rest);
        for unknown in std::mem::take(&mut self.unknown) {
            let hint = self.hint(&unknown);
            self.complain(unknown.span, format!("unknown key `{}`", shown(&unknown.key)), hint);
        }
        if self.syntax.is_empty() && self.faults.is_empty() {
            return Ok(valid);
        }
        let all = self.syntax.merge(self.faults, &self.lines);
        Err(invalid(name, &self.lines, all))
    }

    fn hint(&self, unknown: &Unknown) -> String {
        let known = self.known.get(unknown.section).map_or(&[][..], Vec::as_slice);
        let homes: Vec<String> = self
            .known
            .iter()
            .filter(|(section, keys)| !section.is_empty() && keys.contains(&unknown.key.as_str()))
            .map(|(section, _)| format!("[{section}]"))
            .collect();
        match (homes.is_empty(), nearest(&unknown.key, known)) {
            (false, _) => format!("`{}` belongs in {}", unknown.key, homes.join(" or ")),
            (true, Some(key)) => format!("did you mean `{key}`?"),
            (true, None) => format!("known here: {}", known.join(", ")),
        }
    }
}

fn entries(table: DeTable<'_>) -> Vec<(Spanned<String>, Value<'_>)> {
    table.into_iter().map(|(key, value)| (Spanned::new(key.span(), key.into_inner().into_owned()), value)).collect()
}

/// One section that is being read.
pub(super) struct Section<'d, 'i> {
    name: &'static str,
    /// Where its header stands.
    span: Range<usize>,
    table: DeTable<'i>,
    keys: Vec<&'static str>,
    /// What was typed, and whether it was valid.
    typed: BTreeMap<&'static str, (Range<usize>, bool)>,
    document: &'d mut Document<'i>,
}

impl<'i> Section<'_, 'i> {
    /// The checked value of `key`, or `default` if it was not typed or is not valid.
    pub fn take<T>(&mut self, key: &'static str, default: T, check: impl FnOnce(Value<'i>) -> Checked<T>) -> T {
        self.keys.push(key);
        let Some(value) = self.table.remove(key) else {
            return default;
        };
        let span = value.span();
        let checked = check(value);
        self.typed.insert(key, (span, checked.is_ok()));
        match checked {
            Ok(value) => value,
            Err(faults) => {
                for fault in faults {
                    let message = format!("`{}.{key}` {}", self.name, fault.message);
                    self.document.complain(fault.span, message, fault.hint);
                }
                default
            }
        }
    }

    /// Like `take`, for a key that has no default.
    pub fn take_required<T: Default>(
        &mut self,
        key: &'static str,
        example: &str,
        check: impl FnOnce(Value<'i>) -> Checked<T>,
    ) -> T {
        if !self.table.contains_key(key) && self.document.is_whole() {
            let message = format!("`{}.{key}` is missing", self.name);
            self.document.complain(self.span.clone(), message, format!("add {key} = {example}"));
        }
        self.take(key, T::default(), check)
    }

    /// Reads each table of the list `key` as a section that is called `name`.
    pub fn tables<T>(
        &mut self,
        key: &'static str,
        name: &'static str,
        mut read: impl FnMut(&mut Section<'_, 'i>) -> T,
    ) -> Vec<T> {
        let example = "{ ... }";
        let items = self.take(key, Vec::new(), |typed| value::list(typed, "sections", example));
        items.into_iter().filter_map(|item| self.table(key, name, item, &mut read)).collect()
    }

    /// Reads one table as a section that is called `name`.
    pub fn table<T>(
        &mut self,
        key: &str,
        name: &'static str,
        value: Value<'i>,
        read: impl FnOnce(&mut Section<'_, 'i>) -> T,
    ) -> Option<T> {
        let span = value.span();
        match value.into_inner() {
            DeValue::Table(table) => Some(self.document.read(name, span, table, read)),
            other => {
                let message = format!("`{}.{key}` must be a section, not {}", self.name, found(&other));
                self.document.complain(span, message, "write { key = value }");
                None
            }
        }
    }

    /// Names and values of the table `key`, whatever they are called.
    pub fn entries(&mut self, key: &'static str) -> Vec<(Spanned<String>, Value<'i>)> {
        self.take(key, Vec::new(), |typed| {
            let span = typed.span();
            match typed.into_inner() {
                DeValue::Table(table) => Ok(entries(table)),
                other => value::mismatch(
                    &Spanned::new(span, other),
                    "a section of names and values",
                    "write { name = value }",
                ),
            }
        })
    }

    /// Whether a text was typed for `key`, which is not taken yet.
    pub fn is_text(&self, key: &str) -> bool {
        self.table.get(key).is_some_and(|value| value.get_ref().is_str())
    }

    /// Everything in the section that nobody has taken.
    pub fn rest(&mut self) -> Vec<(Spanned<String>, Value<'i>)> {
        entries(std::mem::take(&mut self.table))
    }

    /// Records that none of `keys` was typed, where a section needs at least one.
    pub fn require_one_of(&mut self, keys: [&'static str; 2], example: &str) {
        if keys.iter().all(|key| !self.typed.contains_key(key)) && self.document.is_whole() {
            let [first, second] = keys;
            let message = format!("`{0}.{first}` and `{0}.{second}` are both missing", self.name);
            self.document.complain(self.span.clone(), message, format!("add one of them, as in {first} = {example}"));
        }
    }

    /// Whether nothing is wrong with what was typed for `key`, if anything was.
    pub fn is_valid(&self, key: &str) -> bool {
        self.typed.get(key).is_none_or(|(_, valid)| *valid)
    }

    /// Whether anything was typed for `key`.
    pub fn is_typed(&self, key: &str) -> bool {
        self.typed.contains_key(key)
    }

    /// Where the value of `key` stands, or the section's header.
    pub fn place(&self, key: &str) -> Range<usize> {
        self.typed.get(key).map_or(self.span.clone(), |(span, _)| span.clone())
    }

    /// Records a fault.
    pub fn complain(&mut self, span: Range<usize>, message: impl Into<String>, hint: impl Into<String>) {
        self.document.complain(span, message, hint);
    }

    /// Records that two valid values do not fit together, unless `fits`.
    pub fn require(&mut self, fits: bool, keys: [&'static str; 2], message: &str, hint: &str) {
        let valid = keys.iter().all(|key| self.is_valid(key));
        let typed = keys.iter().find_map(|key| self.typed.get(key));
        if let (false, true, true, Some((span, _))) = (fits, valid, self.document.is_whole(), typed) {
            self.document.complain(span.clone(), format!("`{}.{}` {message}", self.name, keys[0]), hint);
        }
    }
}
