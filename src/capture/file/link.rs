//! Names of link types, as tcpdump and the registry at tcpdump.org/linktypes.html have them.

use crate::wire::LinkType;

/// The names in their order, joined by commas.
pub(super) fn names(links: &[LinkType]) -> String {
    if links.is_empty() {
        return "unknown".to_owned();
    }
    links.iter().map(|link| name(*link)).collect::<Vec<_>>().join(",")
}

fn name(LinkType(number): LinkType) -> String {
    let known = match number {
        0 => "NULL",
        1 => "EN10MB",
        6 => "IEEE802",
        8 => "SLIP",
        9 => "PPP",
        10 => "FDDI",
        // DLT_RAW on most systems, on OpenBSD, and the link type proper
        12 | 14 | 101 => "RAW",
        50 => "PPP_SERIAL",
        51 => "PPP_ETHER",
        104 => "C_HDLC",
        105 => "IEEE802_11",
        107 => "FRELAY",
        108 => "LOOP",
        109 => "ENC",
        113 => "LINUX_SLL",
        117 => "PFLOG",
        119 => "PRISM_HEADER",
        127 => "IEEE802_11_RADIO",
        139 => "MTP2_WITH_PHDR",
        140 => "MTP2",
        141 => "MTP3",
        142 => "SCCP",
        166 => "PPP_PPPD",
        192 => "PPI",
        228 => "IPV4",
        229 => "IPV6",
        239 => "NFLOG",
        248 => "SCTP",
        252 => "WIRESHARK_UPPER_PDU",
        253 => "NETLINK",
        276 => "LINUX_SLL2",
        _ => return format!("LINKTYPE_{number}"),
    };
    known.to_owned()
}
