//! Why a HEP packet is not taken.

/// The `reason` label of `hep_rejected_packets_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[repr(u8)]
pub enum Refused {
    #[error("from an address outside of the networks that may send")]
    NotAllowed = 0,
    #[error("no authentication key, or a wrong one")]
    Authentication,
    #[error("neither HEP 3 nor 1 nor 2, or one of these in a stream")]
    Version,
    #[error("ends inside a header")]
    Truncated,
    #[error("a total length shorter than its own header")]
    TotalLength,
    #[error("longer than is allowed here")]
    TooLong,
    #[error("a chunk shorter than its own header, or longer than the packet")]
    ChunkLength,
    #[error("a number or an address of a size that none has")]
    ChunkValue,
    #[error("an address family that is neither IPv4 nor IPv6")]
    Family,
    #[error("no source or no destination")]
    Address,
    #[error("no payload")]
    Payload,
    #[error("a payload that is not compressed as gzip, zlib or deflate do")]
    Compression,
    #[error("a payload that grows beyond what is taken")]
    Expansion,
    #[error("RTCP as JSON that is no JSON, or tells nothing")]
    Json,
}

impl Refused {
    pub const ALL: [Refused; 14] = [
        Refused::NotAllowed,
        Refused::Authentication,
        Refused::Version,
        Refused::Truncated,
        Refused::TotalLength,
        Refused::TooLong,
        Refused::ChunkLength,
        Refused::ChunkValue,
        Refused::Family,
        Refused::Address,
        Refused::Payload,
        Refused::Compression,
        Refused::Expansion,
        Refused::Json,
    ];

    /// The value of the `reason` label.
    pub const fn reason(self) -> &'static str {
        match self {
            Refused::NotAllowed => "not_allowed",
            Refused::Authentication => "authentication",
            Refused::Version => "version",
            Refused::Truncated => "truncated",
            Refused::TotalLength => "total_length",
            Refused::TooLong => "too_long",
            Refused::ChunkLength => "chunk_length",
            Refused::ChunkValue => "chunk_value",
            Refused::Family => "family",
            Refused::Address => "address",
            Refused::Payload => "payload",
            Refused::Compression => "compression",
            Refused::Expansion => "expansion",
            Refused::Json => "json",
        }
    }
}
