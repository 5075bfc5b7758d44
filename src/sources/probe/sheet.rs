//! What a probe writes down.

use std::time::Duration;

use crate::config::Probe as Settings;
use crate::numbers::{Family, Kind, fixed};
use crate::sources::Readings;

const LABELS: &[&str] = &["probe", "kind"];
const PHASES: &[&str] = &["probe", "kind", "phase"];

const fn level(name: &'static str, help: &'static str) -> Family {
    Family::gauge(name, "", LABELS, help)
}

const fn seconds(name: &'static str, help: &'static str) -> Family {
    Family::gauge(name, "seconds", LABELS, help)
}

const fn phases(name: &'static str, help: &'static str) -> Family {
    Family::gauge(name, "seconds", PHASES, help)
}

pub static FAMILIES: [Family; 26] = [
    level("probe_success", "1 if the last answer was as it should be."),
    seconds("probe_duration_seconds", "How long the last attempt took in all."),
    Family::counter(
        "probe_attempts_total",
        "",
        &["probe", "kind", "result"],
        "Attempts, those that were repeated too, by what came of them: success, failure, timeout.",
    ),
    seconds("probe_dns_lookup_time_seconds", "How long the name server took to say the address."),
    level("probe_ip_protocol", "4 or 6: the version of IP."),
    level("probe_http_status_code", "Status code of the last HTTP response."),
    phases(
        "probe_http_duration_seconds",
        "How long each phase took, redirects together: resolve, connect, tls, processing (up to the first byte), transfer.",
    ),
    level("probe_http_content_length", "Length of the HTTP response as its header says it; -1 where it does not."),
    level("probe_http_uncompressed_body_length", "Bytes of the HTTP response's body that were read."),
    level("probe_http_redirects", "Redirects followed."),
    level("probe_http_ssl", "1 if the last HTTP response came over TLS."),
    level("probe_http_version", "Version of HTTP of the last response."),
    level("probe_failed_due_to_regex", "1 if the answer did not hold what it must, or held what it must not."),
    Family::gauge(
        "probe_ssl_earliest_cert_expiry",
        "",
        LABELS,
        "Unix time when the first certificate of the chain expires, whether it is trusted or not.",
    ),
    Family {
        name: "probe_tls_version_info",
        kind: Kind::Info,
        unit: "",
        labels: &["probe", "kind", "version"],
        help: "Always 1; the label is the version of TLS.",
    },
    level("probe_dns_answer_rrs", "Records in the answer section."),
    level("probe_dns_authority_rrs", "Records in the authority section."),
    level("probe_dns_additional_rrs", "Records in the additional section."),
    level("probe_dns_query_succeeded", "1 if there was an answer that can be understood."),
    phases("probe_dns_duration_seconds", "How long each phase took: resolve, connect, request."),
    phases("probe_icmp_duration_seconds", "How long each phase took: resolve, setup, rtt."),
    level("probe_icmp_reply_hop_limit", "Hop limit (TTL) of the reply."),
    level("probe_sip_response_code", "Status code of the final response to OPTIONS."),
    phases("probe_sip_duration_seconds", "How long each phase took: resolve, connect, tls, rtt."),
    level(
        "probe_json_value",
        "The value in the JSON answer; true is 1, and a state is its place in the configured list.",
    ),
    Family::gauge(
        "probe_json_state",
        "",
        &["probe", "kind", "state"],
        "1 for the state in the JSON answer, 0 for the other configured ones; other: one that is not configured.",
    ),
];

pub const SUCCESS: usize = 0;
pub const DURATION: usize = 1;
pub const ATTEMPTS: usize = 2;
pub const LOOKUP: usize = 3;
pub const IP_PROTOCOL: usize = 4;
pub const HTTP_STATUS: usize = 5;
pub const HTTP_PHASES: usize = 6;
pub const HTTP_LENGTH: usize = 7;
pub const HTTP_READ: usize = 8;
pub const HTTP_REDIRECTS: usize = 9;
pub const HTTP_TLS: usize = 10;
pub const HTTP_VERSION: usize = 11;
pub const REGEX: usize = 12;
pub const EXPIRY: usize = 13;
pub const TLS_VERSION: usize = 14;
pub const DNS_ANSWERS: usize = 15;
pub const DNS_AUTHORITY: usize = 16;
pub const DNS_ADDITIONAL: usize = 17;
pub const DNS_SUCCEEDED: usize = 18;
pub const DNS_PHASES: usize = 19;
pub const ICMP_PHASES: usize = 20;
pub const ICMP_HOPS: usize = 21;
pub const SIP_STATUS: usize = 22;
pub const SIP_PHASES: usize = 23;
pub const JSON_VALUE: usize = 24;
pub const JSON_STATE: usize = 25;

/// The readings of one attempt, with the probe's own labels.
pub struct Sheet {
    pub readings: Readings,
    probe: String,
    kind: &'static str,
}

impl Sheet {
    pub fn new(settings: &Settings) -> Sheet {
        Sheet { readings: Readings::default(), probe: settings.name.clone(), kind: settings.kind.name() }
    }

    /// Takes over what another sheet of the same probe has.
    pub fn take(&mut self, other: Sheet) {
        self.readings.extend(other.readings);
    }

    pub fn set(&mut self, family: &'static Family, value: f64) {
        self.readings.add(family, vec![self.probe.clone().into(), fixed(self.kind)], value);
    }

    /// A family with one label more: a phase, a version, a state.
    pub fn set_of(&mut self, family: &'static Family, label: impl Into<String>, value: f64) {
        self.readings.add(family, vec![self.probe.clone().into(), fixed(self.kind), label.into().into()], value);
    }

    pub fn phase(&mut self, family: &'static Family, phase: &'static str, time: Duration) {
        self.set_of(family, phase, time.as_secs_f64());
    }
}
