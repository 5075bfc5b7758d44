//! Load averages: proc_loadavg(5).

use procfs_core::{FromRead, LoadAverage};

use super::{Host, Reader, odd};
use crate::numbers::Family;
use crate::sources::{Failure, Readings, Row};

static FAMILIES: [Family; 3] = [
    Family::gauge("host_load1", "", &[], "Threads that ran or waited, averaged over 1 minute."),
    Family::gauge("host_load5", "", &[], "Threads that ran or waited, averaged over 5 minutes."),
    Family::gauge("host_load15", "", &[], "Threads that ran or waited, averaged over 15 minutes."),
];

pub static ROW: Row = super::row("load", &FAMILIES, reader);

fn reader(host: &Host) -> Reader {
    let host = host.clone();
    Box::new(move |out| match host.proc("loadavg")? {
        Some(text) => parse(&text, out),
        None => Ok(()),
    })
}

fn parse(text: &str, out: &mut Readings) -> Result<(), Failure> {
    let load = LoadAverage::from_read(text.as_bytes()).map_err(|_| odd("loadavg", text.trim_end()))?;
    // It reads 32-bit numbers; as text they have two decimals, and 0.15 is not 0.15000000596.
    for (family, value) in FAMILIES.iter().zip([load.one, load.five, load.fifteen]) {
        out.add(family, Vec::new(), (f64::from(value) * 100.0).round() / 100.0);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::host::tests::{exposed, read};

    #[test]
    fn three_averages() {
        let found = read(|out| parse("0.15 2.07 17.99 3/512 4711\n", out));
        let value = |name: &str| exposed(&found, name);
        assert_eq!(
            (value("host_load1{}"), value("host_load5{}"), value("host_load15{}")),
            (vec![0.15], vec![2.07], vec![17.99])
        );
        assert!(parse("a b c\n", &mut Readings::default()).is_err());
    }
}
