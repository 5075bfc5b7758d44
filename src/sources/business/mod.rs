//! What queries and events of packs have in common: labels, what may be a label's value, and where a scrape finds their numbers.

mod board;
mod label;
mod privacy;

pub use board::{Block, Blocks, Board, Number, Series};
pub use label::{Labeller, Tops, matching};
pub use privacy::looks_personal;
