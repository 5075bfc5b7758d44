//! Nothing that comes from the network or from a file may panic, hang, or take memory without bound.

mod support;

#[path = "hostile/built.rs"]
mod built;
#[path = "hostile/captures.rs"]
mod captures;
#[path = "support/cases.rs"]
mod cases;
#[path = "hostile/clocks.rs"]
mod clocks;
#[path = "hostile/dialogs.rs"]
mod dialogs;
#[path = "hostile/drains.rs"]
mod drains;
#[path = "hostile/floods.rs"]
mod floods;
#[path = "hostile/fragments.rs"]
mod fragments;
#[path = "hostile/harness.rs"]
mod harness;
#[path = "hostile/hep.rs"]
mod hep;
#[path = "support/hep.rs"]
mod hep_packets;
#[path = "hostile/labels.rs"]
mod labels;
#[path = "hostile/memory.rs"]
mod memory;
#[path = "hostile/mutations.rs"]
mod mutations;
#[path = "hostile/packets.rs"]
mod packets;
#[path = "hostile/parsers.rs"]
mod parsers;
#[path = "hostile/properties.rs"]
mod properties;
#[path = "hostile/reports.rs"]
mod reports;
#[path = "hostile/suspicious.rs"]
mod suspicious;
#[path = "hostile/torture.rs"]
mod torture;
#[path = "hostile/torture_messages.rs"]
mod torture_messages;
#[path = "hostile/tunnels.rs"]
mod tunnels;
#[path = "hostile/twice.rs"]
mod twice;
#[path = "hostile/wraps.rs"]
mod wraps;
