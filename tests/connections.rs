//! SIP over TCP, WebSocket and SCTP: what was sent comes out, once and in order, however it was cut, shuffled and repeated; and of
//! what was lost only what was hit.

mod support;

#[path = "connections/build.rs"]
mod build;
#[path = "connections/cases.rs"]
mod cases;
#[path = "connections/hostile.rs"]
mod hostile;
#[path = "connections/properties.rs"]
mod properties;
#[path = "connections/sctp.rs"]
mod sctp;
#[path = "connections/torture.rs"]
mod torture;
#[path = "connections/websocket.rs"]
mod websocket;
