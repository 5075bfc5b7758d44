//! What tells messages apart, hashed once for all tables.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;

use crate::wire::sip::{Message, Start, tag_of};

/// Fingerprints of the parts of a message that name its dialog and its transaction (RFC 3261 sections 12, 17.1.3).
#[derive(Clone, Copy, Debug)]
pub struct Marks {
    pub call_id: u64,
    /// Of the topmost Via: a request and its responses have the same on one hop, and another on the next (section 16.6).
    pub branch: u64,
    pub from_tag: u64,
    pub to_tag: Option<u64>,
    /// What a request keeps on all hops: Call-ID, CSeq, From tag; of a response, that of its request.
    pub request: u64,
    /// The same of the message itself: of a response also code and To tag.
    pub message: u64,
}

impl Marks {
    /// `call_id` is the fingerprint of the message's Call-ID.
    pub fn of(message: &Message<'_>, call_id: u64, hasher: &RandomState) -> Marks {
        let from_tag = hasher.hash_one(tag_of(message.from));
        let to_tag = tag_of(message.to).filter(|tag| !tag.is_empty()).map(|tag| hasher.hash_one(Some(tag)));
        let request = hasher.hash_one((call_id, from_tag, message.cseq));
        Marks {
            call_id,
            branch: hasher.hash_one(message.branch),
            from_tag,
            to_tag,
            request,
            message: match message.start {
                Start::Request { .. } => request,
                Start::Response { code } => hasher.hash_one((request, code, to_tag)),
            },
        }
    }
}
