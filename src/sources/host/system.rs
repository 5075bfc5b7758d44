//! What runs here, since when, and whether its clock is right: uname(2), os-release(5), proc_uptime(5), adjtimex(2).

#![allow(clippy::disallowed_methods)] // This host's clock is what is asked for.

use std::time::{SystemTime, UNIX_EPOCH};

use super::{Host, Reader, odd, text};
use crate::numbers::{Family, Kind};
use crate::sources::{Readings, Row};

static FAMILIES: [Family; 10] = [
    Family {
        name: "host_uname_info",
        kind: Kind::Info,
        unit: "",
        labels: &["sysname", "release", "version", "machine", "nodename", "domainname"],
        help: "Always 1; the labels are those of uname(2).",
    },
    Family {
        name: "host_os_info",
        kind: Kind::Info,
        unit: "",
        labels: &[
            "build_id",
            "id",
            "id_like",
            "image_id",
            "image_version",
            "name",
            "pretty_name",
            "variant",
            "variant_id",
            "version",
            "version_codename",
            "version_id",
        ],
        help: "Always 1; the labels are those of os-release(5).",
    },
    Family::gauge("host_time_seconds", "seconds", &[], "Unix time of this host."),
    Family::gauge("host_uptime_seconds", "seconds", &[], "Time since the host was started."),
    Family::gauge("host_timex_sync_status", "", &[], "1 while the clock is synchronised."),
    Family::gauge("host_timex_offset_seconds", "seconds", &[], "How far the clock is off, as NTP estimated it last."),
    Family::gauge("host_timex_maxerror_seconds", "seconds", &[], "How far the clock can be off at most."),
    Family::gauge("host_timex_estimated_error_seconds", "seconds", &[], "How far the clock is probably off."),
    Family::gauge("host_timex_frequency_adjustment_ratio", "ratio", &[], "How much faster the clock is made to run."),
    Family::gauge("host_timex_tai_offset_seconds", "seconds", &[], "Leap seconds between TAI and UTC."),
];
static TIME: &Family = &FAMILIES[2];
static UPTIME: &Family = &FAMILIES[3];

pub static ROW: Row = super::row("system", &FAMILIES, reader);

fn reader(host: &Host) -> Reader {
    let host = host.clone();
    Box::new(move |out| {
        uname(out);
        if let Some(text) = text(&host.settings.root.join("etc/os-release"))? {
            release(&text, out);
        }
        if let Some(text) = host.proc("uptime")? {
            let seconds = text.split_ascii_whitespace().next().and_then(|seconds| seconds.parse().ok());
            out.add(UPTIME, Vec::new(), seconds.ok_or_else(|| odd("uptime", text.trim_end()))?);
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        out.add(TIME, Vec::new(), now.as_secs_f64());
        discipline(out);
        Ok(())
    })
}

fn uname(out: &mut Readings) {
    let uname = rustix::system::uname();
    let fields =
        [uname.sysname(), uname.release(), uname.version(), uname.machine(), uname.nodename(), uname.domainname()];
    out.add(&FAMILIES[0], fields.map(|field| field.to_string_lossy().into_owned().into()).into(), 1.0);
}

fn release(text: &str, out: &mut Readings) {
    let value = |key: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        line.unwrap_or_default().trim_matches(['"', '\'']).to_owned().into()
    };
    let labels = FAMILIES[1].labels.iter().map(|label| value(&label.to_uppercase()));
    out.add(&FAMILIES[1], labels.collect(), 1.0);
}

/// The kernel's clock discipline. Asking needs no privilege.
#[allow(unsafe_code)]
fn discipline(out: &mut Readings) {
    // SAFETY: all-zero bytes are a valid timex, and `modes` 0 only reads; the kernel fills in the one structure it is given.
    let (state, timex) = unsafe {
        let mut timex: libc::timex = std::mem::zeroed();
        (libc::adjtimex(&mut timex), timex)
    };
    // A sandbox may refuse it: not known then.
    if state < 0 {
        return;
    }
    let unit = if timex.status & libc::STA_NANO != 0 { 1e9 } else { 1e6 };
    let values = [
        f64::from(u8::from(state != libc::TIME_ERROR)),
        timex.offset as f64 / unit,
        timex.maxerror as f64 / 1e6,
        timex.esterror as f64 / 1e6,
        // adjtimex(2): parts in a million, with 16 bits behind the point.
        1.0 + timex.freq as f64 / 65_536.0 / 1e6,
        f64::from(timex.tai),
    ];
    for (family, value) in FAMILIES[4..].iter().zip(values) {
        out.add(family, Vec::new(), value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::host::tests::exposed;

    #[test]
    fn release_with_and_without_quotes() {
        let mut out = Readings::default();
        release("PRETTY_NAME=\"A B 1\"\nNAME='A'\nID=a\nVERSION_ID=\"1\"\n", &mut out);
        assert_eq!(exposed(&out, "host_os_info{,a,,,,A,A B 1,,,,,1}"), [1.0]);
    }

    #[test]
    fn this_host_says_all_of_it() {
        let mut out = Readings::default();
        reader(&Host::new(&crate::config::Host::default()))(&mut out).expect("files are read");
        let families: Vec<&str> = out.values().iter().map(|reading| reading.family.name).collect();
        for family in ["host_uname_info", "host_uptime_seconds", "host_time_seconds", "host_timex_sync_status"] {
            assert!(families.contains(&family), "{family} in {families:?}");
        }
    }
}
