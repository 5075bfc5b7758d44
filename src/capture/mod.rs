//! Frames with their own time stamps: from interfaces or from files. Nothing behind it knows which.

pub mod file;
pub mod filter;
pub mod live;
pub mod worker;
