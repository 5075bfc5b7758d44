//! What is wrong with a configuration, as an operator reads it.

use std::fmt;
use std::io;
use std::ops::Range;
use std::path::PathBuf;

use super::masks;

/// Longest part of a source line that a report shows, in characters.
const EXCERPT_LENGTH: usize = 160;
/// Characters shown in front of the mistake where a long line is cut.
const EXCERPT_LEAD: usize = 60;
/// Longest list of problems that is kept, so that a file that is no configuration cannot fill the terminal.
const MAX_PROBLEMS: usize = 1000;

/// Why there is no configuration. Its `Display` is the whole report, cause included.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file could not be read.
    #[error("cannot read the configuration {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file was read and has mistakes.
    #[error("{}", Report { name, problems, total: *total })]
    Invalid {
        /// What the report calls the file.
        name: String,
        /// The mistakes in the order of the file: all of them, up to 1000.
        problems: Vec<Problem>,
        /// How many there are.
        total: usize,
    },
    /// Several files have mistakes.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n\n"))]
    Several(Vec<ConfigError>),
}

/// One mistake, where it stands and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What is wrong.
    pub message: String,
    /// Line of the file, from 1.
    pub line: usize,
    /// Column of the line, in characters from 1.
    pub column: usize,
    /// The source line, printable, cut where it is long.
    pub excerpt: String,
    /// Which characters of the excerpt are wrong; never empty, it may stand right behind the end.
    pub caret: Range<usize>,
    /// What to write instead.
    pub hint: String,
}

/// A mistake before it is put into its line: `span` is in bytes of the text.
#[derive(Debug)]
pub(super) struct Fault {
    pub span: Range<usize>,
    pub message: String,
    pub hint: String,
}

impl Fault {
    pub fn new(span: Range<usize>, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Fault { span, message: message.into(), hint: hint.into() }
    }
}

/// The lines of a text, found by byte offset.
pub(super) struct Lines<'t> {
    pub text: &'t str,
    starts: Vec<usize>,
}

impl<'t> Lines<'t> {
    pub fn new(text: &'t str) -> Self {
        let starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Lines { text, starts }
    }

    /// Index from 0 of the line that holds the byte at `offset`.
    pub fn index(&self, offset: usize) -> usize {
        self.starts.partition_point(|start| *start <= offset).saturating_sub(1)
    }

    /// The line at `index`, without its end.
    pub fn line(&self, index: usize) -> &'t str {
        let end = self.starts.get(index + 1).map_or(self.text.len(), |next| next - 1);
        self.text.get(self.start(index)..end).unwrap_or("").trim_end_matches('\r')
    }

    fn start(&self, index: usize) -> usize {
        self.starts.get(index).copied().unwrap_or(self.text.len())
    }

    fn problem(&self, fault: Fault) -> Problem {
        let index = self.index(fault.span.start);
        let (start, line) = (self.start(index), self.line(index));
        let characters_to = |offset: usize| line.char_indices().take_while(|(at, _)| start + at < offset).count();
        let from = characters_to(fault.span.start);
        let to = characters_to(fault.span.end).max(from + 1);
        let (excerpt, caret) = excerpt(&masks::line(line), from..to);
        Problem { message: fault.message, line: index + 1, column: from + 1, excerpt, caret, hint: fault.hint }
    }
}

/// Cuts `line` to what fits around the characters `mark`, and moves `mark` along.
fn excerpt(line: &str, mark: Range<usize>) -> (String, Range<usize>) {
    // One character stays one character, so that the caret stays under it and nothing steers the terminal.
    let printable = |c: char| match c {
        '\t' => ' ',
        c if c.is_control() => char::REPLACEMENT_CHARACTER,
        c => c,
    };
    if line.chars().count() <= EXCERPT_LENGTH {
        return (line.chars().map(printable).collect(), mark);
    }
    let skipped = mark.start.saturating_sub(EXCERPT_LEAD);
    let cut: String = line.chars().skip(skipped).take(EXCERPT_LENGTH).map(printable).collect();
    let front = if skipped > 0 { "..." } else { "" };
    let back = if skipped + EXCERPT_LENGTH < line.chars().count() { "..." } else { "" };
    let from = mark.start - skipped + front.len();
    let to = (mark.end - skipped).min(EXCERPT_LENGTH) + front.len();
    (format!("{front}{cut}{back}"), from..to.max(from + 1))
}

/// Puts faults into the order of the file and into their lines.
pub(super) fn invalid(name: &str, lines: &Lines<'_>, mut faults: Vec<Fault>) -> ConfigError {
    faults.sort_by_key(|fault| fault.span.start);
    let total = faults.len();
    let problems = faults.into_iter().take(MAX_PROBLEMS).map(|fault| lines.problem(fault)).collect();
    ConfigError::Invalid { name: name.to_owned(), problems, total }
}

struct Report<'a> {
    name: &'a str,
    problems: &'a [Problem],
    total: usize,
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for problem in self.problems {
            let number = problem.line.to_string();
            let gutter = " ".repeat(number.len());
            let indent = " ".repeat(problem.caret.start);
            let caret = "^".repeat(problem.caret.len());
            writeln!(f, "error: {}", problem.message)?;
            writeln!(f, "{gutter}--> {}:{}:{}", self.name, problem.line, problem.column)?;
            writeln!(f, "{gutter} |")?;
            writeln!(f, "{}", format!("{number} | {}", problem.excerpt).trim_end())?;
            writeln!(f, "{gutter} | {indent}{caret}")?;
            writeln!(f, "{gutter} = hint: {}\n", problem.hint)?;
        }
        let plural = if self.total == 1 { "" } else { "s" };
        write!(f, "{}: {} error{plural}", self.name, self.total)?;
        if self.total > self.problems.len() {
            write!(f, ", the first {} shown", self.problems.len())?;
        }
        Ok(())
    }
}
