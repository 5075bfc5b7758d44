//! `[limits]`: what the program may take of the host.

use super::section::Document;
use super::value;

/// What the program may take of the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Resident memory, bytes, above which no table grows.
    pub memory: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { memory: 512 << 20 }
    }
}

pub(super) fn read(document: &mut Document<'_>) -> Limits {
    let default = Limits::default();
    document.section("limits", |section| Limits {
        memory: section.take("memory", default.memory, |typed| value::bytes(typed, 32 << 20..=4_095 << 20)),
    })
}
