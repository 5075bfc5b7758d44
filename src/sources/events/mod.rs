//! Business events: taken by HTTP or as StatsD lines, counted by the rules of packs, kept over restarts.

mod access;
mod entry;
mod event;
mod follow;
mod intake;
mod journal;
mod rules;
mod state;
mod statsd;

pub use access::Credentials;
pub use intake::{Answer, Intake, Outcome};
use std::sync::Arc;

use tokio::runtime::Runtime;

use crate::config::Events;
use crate::numbers::{Family, Kind};

/// Starts what goes on beside the requests.
pub fn start(intake: &Arc<Intake>, settings: &Events, runtime: &Runtime) -> std::io::Result<()> {
    // A disk that hangs holds up nobody else.
    let tended = Arc::clone(intake);
    std::thread::Builder::new().name("events".to_owned()).spawn(move || tended.tend())?;
    if let (Some(address), Some(source)) = (settings.statsd, &settings.statsd_source) {
        runtime.spawn(statsd::listen(Arc::clone(intake), address, source.clone()));
    }
    Ok(())
}

const TAKEN: &str = "sidetone_events_total";
const REJECTED: &str = "sidetone_events_rejected_total";
pub const LAG: &str = "sidetone_event_lag_seconds";
/// Bounds of the histogram.
pub const LAG_BOUNDS: &[f64] = &[0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 1800.0, 3600.0, 21600.0, 86400.0];
const TRACKS: &str = "sidetone_events_tracks";
const EVICTED: &str = "sidetone_events_tracks_evicted_total";
const SERIES: &str = "sidetone_events_series";
const OVERFLOW: &str = "sidetone_events_series_overflow_total";
const JOURNAL: &str = "sidetone_events_journal_bytes";
const JOURNAL_UP: &str = "sidetone_events_journal_up";
const LOST: &str = "sidetone_events_journal_lost_bytes";

/// What the intake exposes of itself.
pub const FAMILIES: [Family; 10] = [
    counter(
        TAKEN,
        &["pack", "event", "result"],
        "Events, by result: accepted, rejected, or duplicate (delivered before, and counted then).",
    ),
    counter(
        REJECTED,
        &["pack", "reason"],
        "Events that were not counted, by reason: malformed, no_name, unknown_event, bad_time, future, too_old, bad_properties, bad_value, unavailable; whole requests as unauthorized, rate_limited, too_large.",
    ),
    Family {
        name: LAG,
        kind: Kind::Histogram,
        unit: "seconds",
        labels: &["pack"],
        help: "From an event's own time to when it was taken.",
    },
    gauge(TRACKS, "", "Tracks (sessions, chats) that are followed now."),
    counter(EVICTED, &[], "Tracks that were given up because there were as many as events.max_tracks allows."),
    gauge(SERIES, "", "Series that events have made."),
    counter(OVERFLOW, &[], "Series that became other because there were as many as events.max_series allows."),
    gauge(JOURNAL, "bytes", "Size of the journal of changes since the last snapshot."),
    gauge(
        JOURNAL_UP,
        "",
        "1 while changes can be written down (events.state); 0 while events are refused because they cannot. Absent without events.state.",
    ),
    gauge(
        LOST,
        "bytes",
        "What was not whole at the end of the journal when the agent started: the last second before a power cut.",
    ),
];

const fn counter(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Family {
    Family { name, kind: Kind::Counter, unit: "", labels, help }
}

const fn gauge(name: &'static str, unit: &'static str, help: &'static str) -> Family {
    Family { name, kind: Kind::Gauge, unit, labels: &[], help }
}
