//! The connections that are open, what each is at, and which of them goes when there is no room.
//!
//! Whoever keeps the agent waiting gives way to the newest: a crowd that says nothing, or reads nothing, shuts nobody out.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

/// Connections that were told to go and have not gone yet; with more, new ones wait for them, so that sockets stay bounded too.
const MAX_LEAVING: usize = 64;
/// Bytes of responses that wait for their clients: three expositions of 100,000 series, uncompressed.
const MAX_UNREAD_BYTES: usize = 32 << 20;

/// What a connection is at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Its client has yet to send a request, or the rest of one.
    Waiting,
    /// The agent owes it an answer.
    Working,
    /// Its client has yet to read a response of so many bytes.
    Unread(usize),
    /// It was told to go.
    Leaving,
}

/// Why a connection has to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// Another one came, and there was no room for both.
    Evicted,
    /// The memory of its response was needed for another one.
    Unread,
}

struct Seat {
    state: State,
    /// When the state began, or the client last took something, in the order of all such events.
    since: u64,
    cut: Option<oneshot::Sender<Cut>>,
}

#[derive(Default)]
struct Seats {
    begun: u64,
    seats: HashMap<u64, Seat>,
}

/// All connections.
pub struct Places {
    most: usize,
    most_unread_bytes: usize,
    seats: Mutex<Seats>,
}

/// The place of one connection, free again when it is dropped.
pub struct Place {
    places: Arc<Places>,
    id: u64,
}

impl Places {
    pub fn new(most: usize) -> Arc<Places> {
        Arc::new(Places { most, most_unread_bytes: MAX_UNREAD_BYTES, seats: Mutex::default() })
    }

    fn seats(&self) -> MutexGuard<'_, Seats> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Resolves when most of those that were told to go have gone, which takes them no longer than to be woken.
    pub async fn settled(&self) {
        while self.seats().leaving() >= MAX_LEAVING {
            tokio::task::yield_now().await;
        }
    }

    /// A place for a connection, and what tells it that it has to go; none while everybody is being served.
    pub fn take(self: &Arc<Self>) -> Option<(Place, oneshot::Receiver<Cut>)> {
        let mut seats = self.seats();
        if seats.seats.len() - seats.leaving() >= self.most {
            let waiting = |state| state == State::Waiting;
            let unread = |state| matches!(state, State::Unread(_));
            if !seats.cut(Cut::Evicted, waiting) && !seats.cut(Cut::Evicted, unread) {
                return None;
            }
        }
        let (cut, told) = oneshot::channel();
        let id = seats.begin();
        seats.seats.insert(id, Seat { state: State::Waiting, since: id, cut: Some(cut) });
        Some((Place { places: Arc::clone(self), id }, told))
    }
}

impl Seats {
    fn begin(&mut self) -> u64 {
        self.begun += 1;
        self.begun
    }

    /// Tells whoever is in such a state for the longest time to go, if there is one.
    fn cut(&mut self, why: Cut, state: impl Fn(State) -> bool) -> bool {
        let longest = self.seats.values_mut().filter(|seat| state(seat.state)).min_by_key(|seat| seat.since);
        let Some(seat) = longest else { return false };
        seat.state = State::Leaving;
        if let Some(cut) = seat.cut.take() {
            // Whoever listens no more is going already.
            let _ = cut.send(why);
        }
        true
    }

    fn leaving(&self) -> usize {
        self.seats.values().filter(|seat| seat.state == State::Leaving).count()
    }

    fn unread_bytes(&self) -> usize {
        self.seats.values().map(|seat| if let State::Unread(bytes) = seat.state { bytes } else { 0 }).sum()
    }
}

impl Place {
    fn enter(&self, seats: &mut Seats, state: State) {
        let since = seats.begin();
        if let Some(seat) = seats.seats.get_mut(&self.id).filter(|seat| seat.state != State::Leaving) {
            (seat.state, seat.since) = (state, since);
        }
    }

    /// The response is out: the client's turn.
    pub fn waiting(&self) {
        self.enter(&mut self.places.seats(), State::Waiting);
    }

    /// A whole request is there.
    pub fn working(&self) {
        self.enter(&mut self.places.seats(), State::Working);
    }

    /// The client has taken a part of its response.
    pub fn progress(&self) {
        let mut seats = self.places.seats();
        let now = seats.begin();
        if let Some(seat) = seats.seats.get_mut(&self.id) {
            seat.since = now;
        }
    }

    /// A response waits to be read. Where all that wait take too much memory, the one goes of which nothing was taken for the longest time.
    pub fn unread(&self, bytes: usize) {
        let mut seats = self.places.seats();
        self.enter(&mut seats, State::Unread(bytes));
        // This one is the newest, and alone it may be as large as it is.
        while seats.unread_bytes() > self.places.most_unread_bytes.max(bytes) {
            seats.cut(Cut::Unread, |state| matches!(state, State::Unread(bytes) if bytes > 0));
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.seats().seats.remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(most: usize, most_unread_bytes: usize) -> Arc<Places> {
        Arc::new(Places { most, most_unread_bytes, seats: Mutex::default() })
    }

    #[test]
    fn the_one_that_says_nothing_for_the_longest_time_gives_way() {
        let places = places(3, 0);
        let (first, mut first_told) = places.take().expect("room");
        let (_second, mut second_told) = places.take().expect("room");
        let (third, mut third_told) = places.take().expect("room");
        first.working();
        first.waiting(); // it was served, and is the youngest of those that wait
        let (_fourth, _told) = places.take().expect("the second one gives way");
        assert_eq!(second_told.try_recv(), Ok(Cut::Evicted));
        third.unread(5);
        let (fifth, _told) = places.take().expect("the first one gives way, not the reader");
        assert_eq!((first_told.try_recv(), third_told.try_recv().is_err()), (Ok(Cut::Evicted), true));
        fifth.working();
        first.working(); // its last word does not bring it back
        assert_eq!(places.seats().seats.len(), 5);
    }

    #[test]
    fn who_is_served_stays_and_readers_go_last() {
        let places = places(2, 1000);
        let (served, mut served_told) = places.take().expect("room");
        served.working();
        let (reader, mut reader_told) = places.take().expect("room");
        reader.unread(10);
        let (next, mut next_told) = places.take().expect("the reader gives way");
        next.working();
        assert_eq!(reader_told.try_recv(), Ok(Cut::Evicted));
        assert!(places.take().is_none(), "all are being served");
        drop(served);
        assert!(places.take().is_some());
        assert!(served_told.try_recv().is_err() && next_told.try_recv().is_err());
    }

    #[tokio::test]
    async fn who_was_told_to_go_is_waited_for() {
        let places = places(1, 0);
        let held: Vec<_> = (0..=MAX_LEAVING).map(|_| places.take().expect("room")).collect();
        tokio::select! {
            biased;
            () = places.settled() => panic!("too many have not gone yet"),
            () = tokio::task::yield_now() => {}
        }
        drop(held);
        places.settled().await;
        assert!(places.take().is_some());
        assert!(places.seats().seats.is_empty());
    }

    #[test]
    fn unread_responses_share_their_memory() {
        let places = places(10, 100);
        let mut all: Vec<_> = (0..4).map(|_| places.take().expect("room")).collect();
        for (place, _) in &all[..3] {
            place.unread(30);
        }
        assert!(all.iter_mut().all(|(_, told)| told.try_recv().is_err()), "90 bytes of 100");
        all[3].0.unread(60);
        let told: Vec<bool> = all.iter_mut().map(|(_, told)| told.try_recv() == Ok(Cut::Unread)).collect();
        assert_eq!(told, [true, true, false, false]);
        all[2].0.progress();
        all[0].0.progress(); // which does not bring it back
        all[2].0.unread(500);
        assert!(all[3].1.try_recv().is_ok() && all[2].1.try_recv().is_err(), "one may be larger than all");
        assert_eq!(places.seats().unread_bytes(), 500);
    }
}
