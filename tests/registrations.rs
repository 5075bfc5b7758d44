//! Registrations in captures that others recorded, counted by hand from the list of their REGISTERs and responses.

mod support;

use serde_json::json;
use support::{Differences, analyze_json, shared_dir};

/// File; attempts, successes, ineffective ones; bindings and users at the end; new, refreshed, removed bindings.
type Row = (&'static str, [u64; 3], [u64; 2], [u64; 3]);

const ROWS: [Row; 7] = [
    // Ten attempts with two REGISTERs each but for the last two of the failing ones, which are 34 s apart: more than Timer F.
    // Three addresses of record; the one that is answered 403 is never bound, and the unregistration is refused.
    ("sngrep--aaa.pcap", [10, 3, 1], [2, 2], [2, 1, 0]),
    ("sipnab--sip-register.pcap", [1, 1, 0], [1, 1], [1, 0, 0]),
    // A challenge, credentials, 403.
    ("sipnab--sip-auth-failure.pcapng", [1, 0, 1], [0, 0], [0, 0, 0]),
    // The same REGISTER on up to five hops, with a contact that the proxy rewrites.
    ("open5gs--nonipsec_reg.pcapng", [1, 1, 0], [1, 1], [1, 0, 0]),
    ("sipnab--b2bua-asterisk.pcapng", [2, 2, 0], [2, 2], [2, 0, 0]),
    // Two phones that come and go.
    ("voipshark--SIP-RTP-Normal_Call_two_parties.pcap", [4, 4, 0], [0, 0], [2, 0, 2]),
    ("voipshark--SIP-SRTP-Normal_Call_two_parties.pcap", [4, 4, 0], [0, 0], [2, 0, 2]),
];

#[test]
fn registrations_of_real_phones() {
    let Some(shared) = shared_dir() else { return };
    let mut differences = Differences::default();
    for (file, [attempts, successes, ineffective], [active, users], [new, refresh, removal]) in ROWS {
        let report = analyze_json(&shared.join("captures").join(file));
        let want = json!({
            "attempts": attempts, "successes": successes, "failures": attempts - successes, "ineffective": ineffective,
            "active_at_end": active, "users_at_end": users,
            "bindings": {"new": new, "refresh": refresh, "removal": removal, "expired": 0, "dropped": 0, "listed": 0},
        });
        let mut found = Differences::new(file);
        found.equal("registrations", &report["registrations"], want);
        differences.append(found);
    }
    differences.finish();
}
