//! File descriptors of the whole host: /proc/sys/fs/file-nr.

use super::{Host, Reader, odd};
use crate::numbers::Family;
use crate::sources::{Failure, Readings, Row};

static FAMILIES: [Family; 2] = [
    Family::gauge("host_filefd_allocated", "", &[], "File descriptors that are open on this host."),
    Family::gauge("host_filefd_maximum", "", &[], "File descriptors that can be open on this host."),
];

pub static ROW: Row = super::row("descriptors", &FAMILIES, reader);

fn reader(host: &Host) -> Reader {
    let host = host.clone();
    Box::new(move |out| match host.proc("sys/fs/file-nr")? {
        Some(text) => parse(&text, out),
        None => Ok(()),
    })
}

/// Allocated, always 0, the most.
fn parse(text: &str, out: &mut Readings) -> Result<(), Failure> {
    let numbers: Vec<f64> = text.split_ascii_whitespace().filter_map(|number| number.parse().ok()).collect();
    let &[allocated, _, most] = numbers.as_slice() else { return Err(odd("file-nr", text.trim_end())) };
    out.add(&FAMILIES[0], Vec::new(), allocated);
    out.add(&FAMILIES[1], Vec::new(), most);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::host::tests::{exposed, read};

    #[test]
    fn three_numbers() {
        let found = read(|out| parse("385\t0\t2466190\n", out));
        assert_eq!(exposed(&found, "host_filefd_allocated{}"), [385.0]);
        assert_eq!(exposed(&found, "host_filefd_maximum{}"), [2_466_190.0]);
        assert!(parse("385\n", &mut Readings::default()).is_err());
    }
}
