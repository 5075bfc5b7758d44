//! Outcomes that a header field decides, and who released a call for which reason: played by SIPp, counted by the agent.

#[path = "live/common.rs"]
mod common;
#[path = "live/ladder.rs"]
mod ladder;
#[path = "live/scenes.rs"]
mod scenes;
#[path = "live/sipp.rs"]
mod sipp;

use std::time::Duration;

fn play(text: &str, calls: &str) {
    scenes::play(&scenes::Play { calls, patience: Duration::from_secs(5), ..scenes::Play::of(text) });
}

/// A call that the caller's or the callee's BYE ends with a Reason (RFC 3326).
fn released(name: &str, by: char, reason: &str, truth: &str) -> String {
    let answer = if by == '>' { '<' } else { '>' };
    format!(
        "scene {name}:\n> INVITE sdp\n< 180\n< 200 sdp\n> ACK\n~ 100\n{by} BYE\n+ Reason: {reason}\n{answer} 200\n= {truth}\n"
    )
}

/// A refusal with further header fields.
fn refused(name: &str, status: u16, header: &str, truth: &str) -> String {
    let header = if header.is_empty() { String::new() } else { format!("+ {header}\n") };
    format!("scene {name}:\n> INVITE sdp\n< {status}\n{header}> ACK\n= {truth}\n")
}

/// Causes of Q.850 with which an answered call is lost, not hung up.
const LOST: [u16; 9] = [27, 34, 38, 41, 42, 43, 44, 47, 102];
/// Normal clearing, no answer, rejected, normal, not available, incompatible, invalid, protocol error, interworking.
const HUNG_UP: [u16; 9] = [16, 19, 21, 31, 57, 79, 88, 111, 127];

#[test]
fn a_call_is_dropped_by_its_cause() {
    let mut text = String::new();
    for (causes, outcome) in [(&LOST, "dropped"), (&HUNG_UP, "completed")] {
        for (cause, by) in causes.iter().zip("><><><><>".chars()) {
            text += &released(&format!("cause-{cause}"), by, &format!("Q.850;cause={cause}"), outcome);
        }
    }
    // How it may be written, and what is no cause of Q.850.
    text += &released("spaced", '<', "Q.850 ; cause=41 ; text=\"Temporary failure\"", "dropped");
    text += &released("after-sip", '>', "SIP;cause=503;text=\"x\", Q.850;cause=38", "dropped");
    text += &released("small", '<', "q.850;text=\"a;cause=16\";cause=34", "dropped");
    text += &released("sip-only", '>', "SIP;cause=41", "completed");
    text += &released("text-only", '<', "Q.850;text=\"cause=41\";cause=16", "completed");
    play(&text, "");
}

/// Why a call was diverted (RFC 5806), and whether a mailbox is where such calls go.
const DIVERSIONS: [(&str, bool); 9] = [
    ("no-answer", true),
    ("user-busy", true),
    ("unavailable", true),
    ("do-not-disturb", true),
    ("away", true),
    ("unconditional", false),
    ("deflection", false),
    ("follow-me", false),
    ("time-of-day", false),
];

fn answered(name: &str, options: &str, header: &str, outcome: &str) -> String {
    let header = if header.is_empty() { String::new() } else { format!("+ {header}\n") };
    format!(
        "scene {name}:\n> INVITE sdp{options}\n{header}< 180\n< 200 sdp\n> ACK\n~ 100\n> BYE\n< 200\n= {outcome} durations=1\n"
    )
}

#[test]
fn a_mailbox_that_answers_is_voicemail() {
    let mut text = String::new();
    for (reason, is_mailbox) in DIVERSIONS {
        let header = format!("Diversion: <sip:bob@192.0.2.1>;reason={reason};counter=1;privacy=off");
        text +=
            &answered(&format!("diverted-{reason}"), "", &header, if is_mailbox { "voicemail" } else { "completed" });
    }
    let quoted = "Diversion: \"Bob\" <sip:bob@192.0.2.1>;reason=\"no-answer\"";
    text += &answered("diverted-quoted", "", quoted, "voicemail");
    // RFC 7044: the reason of a retargeting, of the one before or in the new URI (RFC 4458 section 4: 486 busy, 408 no reply).
    let history = |first: &str, second: &str| {
        format!("History-Info: <sip:bob@192.0.2.1{first}>;index=1, <sip:box@192.0.2.2{second}>;index=1.1;mp=1")
    };
    text += &answered("history-486", "", &history("", ";cause=486"), "voicemail");
    text += &answered("history-408", "", &history("", ";cause=408"), "voicemail");
    text += &answered("history-480", "", &history("", ";cause=480"), "voicemail");
    text += &answered("history-reason", "", &history("?Reason=SIP%3Bcause%3D486", ""), "voicemail");
    text += &answered("history-302", "", &history("", ";cause=302"), "completed");
    text += &answered("history-none", "", &history("", ""), "completed");
    // RFC 4458 section 2.
    let uri = " uri=sip:box@192.0.2.2;target=sip:bob%40192.0.2.1;cause=486";
    text += &answered("target-and-cause", uri, "", "voicemail");
    text += &answered("target-vm", " user=vm", "", "voicemail");
    text += &answered("target-voicemail", " user=voicemail", "", "voicemail");
    text += &answered("target-other", " user=vmware", "", "completed");
    // Nobody answers: what refuses is no mailbox.
    text += "scene diverted-and-busy:\n> INVITE sdp\n+ Diversion: <sip:bob@192.0.2.1>;reason=no-answer\n< 486\n> ACK\n= busy\n";
    text += "scene diverted-and-gone:\n> INVITE sdp user=vm\n< 180\n> CANCEL\n< 200 CANCEL\n< 487 INVITE\n> ACK\n= cancelled\n";
    play(&text, "");
}

#[test]
fn mailboxes_are_named_in_the_configuration() {
    let text = [
        answered("target-named", " user=mailbox", "", "voicemail"),
        answered("target-number", " user=+4989123", "", "voicemail"),
        answered("target-vm", " user=vm", "", "completed"),
    ];
    play(&text.concat(), "voicemail_targets = [\"mailbox\", \"+4989123\"]");
}

/// The class of the cause that RFC 3398 section 7.2.4.1 gives a status; 488 and 606 depend on a Warning, 487 has none.
const CLASSES: [(u16, &str, &str); 32] = [
    (400, "rejected", "resource_unavailable"),
    (402, "rejected", "normal"),
    (403, "rejected", "normal"),
    (404, "not_found", "normal"),
    (405, "rejected", "service_unavailable"),
    (406, "rejected", "not_implemented"),
    (408, "network_failure", "protocol_error"),
    (410, "not_found", "normal"),
    (413, "rejected", "interworking"),
    (414, "rejected", "interworking"),
    (415, "rejected", "not_implemented"),
    (416, "rejected", "interworking"),
    (420, "rejected", "interworking"),
    (421, "rejected", "interworking"),
    (423, "rejected", "interworking"),
    (480, "no_answer", "normal"),
    (481, "rejected", "resource_unavailable"),
    (482, "rejected", "normal"),
    (483, "rejected", "normal"),
    (484, "not_found", "normal"),
    (485, "not_found", "normal"),
    (486, "busy", "normal"),
    (500, "server_failure", "resource_unavailable"),
    (501, "server_failure", "not_implemented"),
    (502, "server_failure", "resource_unavailable"),
    (503, "network_failure", "resource_unavailable"),
    (504, "network_failure", "protocol_error"),
    (505, "server_failure", "interworking"),
    (513, "server_failure", "interworking"),
    (600, "busy", "normal"),
    (603, "rejected", "normal"),
    (604, "not_found", "normal"),
];

#[test]
fn releases_have_a_side_and_the_class_of_a_cause() {
    let mut text = String::new();
    for (status, outcome, class) in CLASSES {
        text += &refused(&format!("status-{status}"), status, "", &format!("{outcome} release=callee/{class}"));
    }
    // A cause that is told goes before one that is derived; classes by the cause's bits 7 to 5 (Q.850 clause 2.2.5).
    for (status, cause, outcome, class) in [
        (486, 34, "busy", "resource_unavailable"),
        (480, 19, "no_answer", "normal"),
        (500, 16, "server_failure", "normal"),
        (503, 63, "network_failure", "service_unavailable"),
        (404, 88, "not_found", "invalid_message"),
        (403, 65, "rejected", "not_implemented"),
    ] {
        let header = format!("Reason: Q.850;cause={cause}");
        text += &refused(&format!("told-{status}"), status, &header, &format!("{outcome} release=callee/{class}"));
    }
    for (n, (by, reason, truth)) in [
        ('>', "Q.850;cause=16", "completed release=caller/normal"),
        ('<', "Q.850;cause=31", "completed release=callee/normal"),
        ('<', "Q.850;cause=47", "dropped release=callee/resource_unavailable"),
        ('>', "Q.850;cause=102", "dropped release=caller/protocol_error"),
        ('>', "Q.850;cause=57", "completed release=caller/service_unavailable"),
        ('>', "Q.850;cause=127", "completed release=caller/interworking"),
        ('<', "Q.850;cause=88", "completed release=callee/invalid_message"),
        ('<', "SIP;cause=503", "dropped release=callee/resource_unavailable"),
    ]
    .into_iter()
    .enumerate()
    {
        text += &released(&format!("bye-{n}"), by, reason, truth);
    }
    text += &answered("plain", "", "", "completed release=caller/normal");
    text += "scene cancelled:\n> INVITE sdp\n< 180\n> CANCEL\n< 200 CANCEL\n< 487 INVITE\n> ACK\n= cancelled release=caller/normal\n";
    text += "scene cancelled-102:\n> INVITE sdp\n< 180\n> CANCEL\n+ Reason: Q.850;cause=102\n< 200 CANCEL\n< 487 INVITE\n> ACK\n\
             = cancelled release=caller/protocol_error\n";
    // What nobody ended has a side, and whatever cause.
    text += "scene silence:\n> INVITE sdp\n= network_failure release=timeout/?\n";
    text += "scene ringing:\n> INVITE sdp\n< 180\n= no_answer release=timeout/?\n";
    play(&text, "setup_timeout = \"2s\"\nring_timeout = \"2s\"");
}
