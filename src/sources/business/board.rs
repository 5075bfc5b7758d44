//! Where queries and events leave their numbers, and a scrape finds them: rendered once, however often they are read.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use crate::metrics::{LabelText, Shown};
use crate::numbers::{Family, Histogram};

/// The series of one family from one place.
#[derive(Debug)]
pub struct Block {
    pub family: &'static Family,
    pub series: Vec<Series>,
}

#[derive(Debug)]
pub struct Series {
    pub labels: LabelText,
    pub number: Number,
}

#[derive(Debug)]
pub enum Number {
    Plain(f64),
    Histogram(Box<Histogram>),
}

/// All of it, by who left it there.
#[derive(Default)]
pub struct Board(Mutex<BTreeMap<String, Left>>);

struct Left {
    blocks: Arc<Vec<Block>>,
    /// When it is too old to be shown.
    until: Instant,
}

impl Board {
    /// Puts blocks in the place of what was there.
    pub fn put(&self, owner: &str, blocks: Vec<Block>, until: Instant) {
        let left = Left { blocks: Arc::new(blocks), until };
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(owner.to_owned(), left);
    }

    /// What is young enough to be shown, and `more`.
    pub fn shown(&self, now: Instant, more: Vec<Block>) -> Blocks {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let young = all.values().filter(|left| now <= left.until).map(|left| Arc::clone(&left.blocks));
        Blocks(young.chain([Arc::new(more)]).collect())
    }
}

/// What a scrape shows.
#[derive(Debug)]
pub struct Blocks(Vec<Arc<Vec<Block>>>);

impl Blocks {
    /// Gives each family with all its series, none of them twice.
    pub fn each<E>(
        &self,
        mut show: impl FnMut(&'static Family, &mut dyn Iterator<Item = (&LabelText, Shown<'_>)>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut families: BTreeMap<&str, Vec<&Block>> = BTreeMap::new();
        for block in self.0.iter().flat_map(|blocks| blocks.iter()).filter(|block| !block.series.is_empty()) {
            families.entry(block.family.name).or_default().push(block);
        }
        for blocks in families.values() {
            let mut seen: HashSet<&LabelText> = HashSet::new();
            let is_mixed = blocks.len() > 1;
            let series = blocks.iter().flat_map(|block| &block.series);
            let mut series = series.filter(|series| !is_mixed || seen.insert(&series.labels)).map(|series| {
                let shown = match &series.number {
                    Number::Plain(number) => Shown::Plain(*number),
                    Number::Histogram(histogram) => Shown::Histogram(histogram),
                };
                (&series.labels, shown)
            });
            show(blocks[0].family, &mut series)?;
        }
        Ok(())
    }
}
