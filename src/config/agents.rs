//! Families of devices and programs, by what they say in User-Agent.

use super::section::Document;
use super::suspicious::is_pattern;
use super::value::{Checked, Value, mismatch, string};

/// Most sections: the names are label values.
const MAX_AGENTS: usize = 100;
/// Longest name and pattern, in bytes; a name is as long as a peer's.
const MAX_NAME: usize = 63;
const MAX_PATTERN: usize = 64;

/// One family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserAgent {
    /// The value of the `agent` label, of `a-z 0-9 _ -`; never `other` or `none`. Several patterns may have one name.
    pub name: String,
    /// `*` stands for any characters, case does not matter.
    pub pattern: String,
}

/// What common devices and programs send, for whoever names none himself. The first that matches wins.
const COMMON: [(&str, &str); 38] = [
    ("asterisk", "*asterisk*"),
    ("asterisk", "FPBX*"),
    ("freeswitch", "*freeswitch*"),
    ("kamailio", "*kamailio*"),
    ("opensips", "*opensips*"),
    ("3cx", "3CX*"),
    ("teams", "Microsoft.PSTNHub*"),
    ("twilio", "Twilio*"),
    ("audiocodes", "*AudioCodes*"),
    ("ribbon", "*Sonus*"),
    ("ribbon", "*Ribbon*"),
    ("yealink", "*Yealink*"),
    ("polycom", "Poly*"),
    ("cisco", "Cisco*"),
    ("grandstream", "Grandstream*"),
    ("snom", "snom*"),
    ("avaya", "Avaya*"),
    ("mitel", "*Mitel*"),
    ("mitel", "Aastra*"),
    ("fanvil", "Fanvil*"),
    ("gigaset", "*Gigaset*"),
    ("panasonic", "Panasonic*"),
    ("fritzbox", "*FRITZ!*"),
    ("htek", "Htek*"),
    ("sangoma", "Sangoma*"),
    ("linphone", "*Linphone*"),
    ("zoiper", "*Zoiper*"),
    ("microsip", "MicroSIP*"),
    ("bria", "Bria*"),
    ("bria", "X-Lite*"),
    ("groundwire", "*Groundwire*"),
    ("jitsi", "Jitsi*"),
    ("jssip", "*JsSIP*"),
    ("sipjs", "SIP.js*"),
    ("baresip", "baresip*"),
    ("pjsip", "*PJSUA*"),
    ("pjsip", "*pjsip*"),
    ("sipp", "SIPp*"),
];

/// The families that hold where the configuration names none.
pub fn common() -> Vec<UserAgent> {
    let agent = |(name, pattern): (&str, &str)| UserAgent { name: name.to_owned(), pattern: pattern.to_owned() };
    COMMON.map(agent).to_vec()
}

pub(super) fn read(document: &mut Document<'_>) -> Vec<UserAgent> {
    let mut count = 0;
    document.sections("user_agents", |section| {
        count += 1;
        if count == MAX_AGENTS + 1 {
            let message = format!("`user_agents` has more than {MAX_AGENTS} sections");
            section.complain(
                section.place("name"),
                message,
                "put devices that you need not tell apart under one pattern",
            );
        }
        UserAgent {
            name: section.take_required("name", "\"yealink\"", name),
            pattern: section.take_required("match", "\"Yealink*\"", pattern),
        }
    })
}

fn name(value: Value<'_>) -> Checked<String> {
    let name = string(value.clone())?;
    let plain = |c: char| matches!(c, 'a'..='z' | '0'..='9' | '_' | '-');
    if matches!(name.as_str(), "other" | "none") {
        return mismatch(
            &value,
            "a name of your own",
            "choose another: other are all without pattern, none those that say nothing",
        );
    }
    if (1..=MAX_NAME).contains(&name.len()) && name.chars().all(plain) {
        return Ok(name);
    }
    mismatch(&value, &format!("1 to {MAX_NAME} of a-z, 0-9, _ and -"), "choose one such as \"yealink\"")
}

fn pattern(value: Value<'_>) -> Checked<String> {
    let pattern = string(value.clone())?;
    if (1..=MAX_PATTERN).contains(&pattern.len()) && is_pattern(&pattern) {
        return Ok(pattern);
    }
    let expected = format!("a pattern of at most {MAX_PATTERN} characters");
    mismatch(&value, &expected, "write what User-Agent begins with and a star, as in \"Yealink*\"")
}
