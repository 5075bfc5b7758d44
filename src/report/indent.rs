//! Indented JSON as `serde_json` writes it, a line's beginning at once: there are millions of lines.

use std::io::{self, Write};

use serde_json::ser::Formatter;

/// What separates a value from the one before it, and the deepest indentation that is written at once.
const BEGINNING: &[u8] = b",\n                                ";

/// Two spaces a level.
#[derive(Debug, Default)]
pub(super) struct Indented {
    depth: usize,
    /// Whether the innermost array or object has a value yet.
    has_value: bool,
}

impl Indented {
    fn open<W: ?Sized + Write>(&mut self, writer: &mut W, bracket: &[u8]) -> io::Result<()> {
        self.depth += 1;
        self.has_value = false;
        writer.write_all(bracket)
    }

    fn close<W: ?Sized + Write>(&mut self, writer: &mut W, bracket: &[u8]) -> io::Result<()> {
        self.depth -= 1;
        if self.has_value {
            self.line(writer, true)?;
        }
        writer.write_all(bracket)
    }

    /// Begins a line; the first one in its array or object, and the one behind the last, need no comma before it.
    #[inline]
    fn line<W: ?Sized + Write>(&mut self, writer: &mut W, is_bare: bool) -> io::Result<()> {
        let end = 2 + 2 * self.depth;
        writer.write_all(&BEGINNING[usize::from(is_bare)..end.min(BEGINNING.len())])?;
        (BEGINNING.len()..end).try_for_each(|_| writer.write_all(b" "))
    }
}

impl Formatter for Indented {
    fn begin_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.open(writer, b"[")
    }

    fn end_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.close(writer, b"]")
    }

    fn begin_array_value<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.line(writer, first)
    }

    fn end_array_value<W: ?Sized + Write>(&mut self, _: &mut W) -> io::Result<()> {
        self.has_value = true;
        Ok(())
    }

    fn begin_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.open(writer, b"{")
    }

    fn end_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.close(writer, b"}")
    }

    #[inline]
    fn begin_object_key<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.line(writer, first)
    }

    #[inline]
    fn begin_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b": ")
    }

    #[inline]
    fn end_object_value<W: ?Sized + Write>(&mut self, _: &mut W) -> io::Result<()> {
        self.has_value = true;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde::Serialize;
    use serde_json::{Serializer, Value, json};

    use super::Indented;

    #[test]
    fn as_serde_json_indents() {
        let deep =
            (0..20).fold(json!(1), |inner, level| if level % 2 == 0 { json!([inner, 2]) } else { json!({"a": inner}) });
        for value in [
            json!({"a": [], "b": {}, "c": [1, {"d": null, "e": [[], "\"x\n"]}], "f": 1.5}),
            json!([]),
            Value::Null,
            deep,
        ] {
            let mut written = Vec::new();
            value.serialize(&mut Serializer::with_formatter(&mut written, Indented::default())).expect("written");
            assert_eq!(String::from_utf8_lossy(&written), serde_json::to_string_pretty(&value).expect("written"));
        }
    }
}
