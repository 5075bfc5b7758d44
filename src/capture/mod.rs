//! Frames with their own time stamps: from interfaces or from files; and what others mirror. Nothing behind it knows which.

mod clock;
mod core;
mod fanout;
pub mod file;
pub mod filter;
pub mod hep;
pub mod live;
mod memory;
mod order;
mod overload;
mod reader;
mod slot;
pub mod worker;
