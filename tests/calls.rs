//! Calls, held to the RFCs and to what the project promises: ladders of messages in, reports and metrics with hand-counted truth out.

mod support;

#[path = "support/cases.rs"]
mod cases;
#[path = "live/common.rs"]
mod common;
#[allow(dead_code)]
#[path = "hostile/harness.rs"]
mod harness;
#[allow(dead_code)]
#[path = "hostile/packets.rs"]
mod packets;
#[allow(dead_code)]
#[path = "media/scene.rs"]
mod scene;

#[path = "calls/adversary.rs"]
mod adversary;
#[path = "calls/bindings.rs"]
mod bindings;
#[path = "calls/books.rs"]
mod books;
#[path = "calls/branches.rs"]
mod branches;
#[path = "calls/dialogs.rs"]
mod dialogs;
#[path = "calls/gaps.rs"]
mod gaps;
#[path = "calls/holds.rs"]
mod holds;
#[path = "calls/kpis.rs"]
mod kpis;
#[path = "calls/ladder.rs"]
mod ladder;
#[path = "calls/legs.rs"]
mod legs;
#[path = "calls/lost.rs"]
mod lost;
#[path = "calls/names.rs"]
mod names;
#[path = "calls/outcomes.rs"]
mod outcomes;
