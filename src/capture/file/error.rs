//! What can be wrong with a capture file, said so that the reader knows what to do.

use std::fmt;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::MAX_FRAME;
use super::input::Compression;

/// Why a capture file cannot be read, or not to its end. Frames before the error were delivered and are good.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It cannot be opened.
    #[error("{}: cannot be opened: {}", Shown(path), Reason(source))]
    Open {
        /// As given.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// It holds no byte.
    #[error(
        "{}: empty{}, not even a file header: was the capture stopped before it wrote anything?",
        Shown(path),
        if *decompressed { " once decompressed" } else { "" }
    )]
    Empty {
        /// As given.
        path: PathBuf,
        /// Whether the file is compressed, and holds nothing inside.
        decompressed: bool,
    },
    /// It starts like no capture file.
    #[error(
        "{}: no capture file: {}starts with {head}, not as pcap or pcapng do{}",
        Shown(path),
        if *decompressed { "decompressed, it " } else { "it " },
        head.hint(*decompressed)
    )]
    NotACapture {
        /// As given.
        path: PathBuf,
        /// Whether `head` is what the compressed file holds inside.
        decompressed: bool,
        /// Its first bytes.
        head: Head,
    },
    /// The system failed to read on.
    #[error("{}: cannot be read on at byte {offset}: {}", Shown(path), Reason(source))]
    Read {
        /// As given.
        path: PathBuf,
        /// Place in the file on disk, bytes.
        offset: u64,
        /// The system's reason.
        source: io::Error,
    },
    /// What it holds cannot be.
    #[error(
        "{}: corrupt at byte {offset}{}: {what}",
        Shown(path),
        if *decompressed { " of the decompressed data" } else { "" }
    )]
    Corrupt {
        /// As given.
        path: PathBuf,
        /// Start of the record or block, bytes.
        offset: u64,
        /// Whether `offset` counts decompressed bytes.
        decompressed: bool,
        /// What is wrong there.
        what: Corruption,
    },
}

impl FileError {
    pub(super) fn read(path: &Path, offset: u64, source: io::Error) -> FileError {
        FileError::Read { path: path.to_owned(), offset, source }
    }
}

/// What is wrong inside a capture file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Corruption {
    /// A classic file header that is too short.
    #[error("the file header is incomplete")]
    Header,
    /// A format version that nobody wrote yet.
    #[error("file format version {major}.{minor} (pcap is 2.4, pcapng 1.0)")]
    Version {
        /// Before the dot.
        major: u16,
        /// Behind it.
        minor: u16,
    },
    /// A captured length that no frame has, or that its block cannot hold; bytes.
    #[error("a frame of {0} bytes (at most {MAX_FRAME}, and no more than its block holds)")]
    FrameLength(u32),
    /// A block length that is too small, too large or no multiple of four; bytes.
    #[error("a block of {0} bytes (a multiple of 4 that holds its fixed fields, at most 16 MiB)")]
    BlockLength(u32),
    /// The two lengths around a block differ; bytes.
    #[error("a block that says {length} bytes at its start and {trailer} at its end")]
    BlockTrailer {
        /// At its start.
        length: u32,
        /// At its end.
        trailer: u32,
    },
    /// A section header without byte-order magic.
    #[error("a section header whose byte-order magic is neither order")]
    ByteOrder,
    /// A packet of an interface that its section does not describe.
    #[error("a packet of interface {0}, which its section does not describe")]
    UnknownInterface(u32),
    /// More interfaces in a section than can be told apart.
    #[error("more than 65536 interfaces in one section")]
    TooManyInterfaces,
    /// An interface option of the wrong length, or longer than its block.
    #[error("interface option {0} has a wrong length")]
    Option(u16),
    /// gzip or zstd data that cannot be decompressed.
    #[error("the compressed data: {0}")]
    Compression(String),
}

/// A file's first bytes, shown as hex.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head(pub Vec<u8>);

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, byte) in self.0.iter().enumerate() {
            let gap = if i == 0 { "" } else { " " };
            write!(f, "{gap}{byte:02x}")?;
        }
        Ok(())
    }
}

impl Head {
    /// What it may be instead, and what to do.
    fn hint(&self, decompressed: bool) -> &'static str {
        match self.0.as_slice() {
            head if Compression::of(head) != Compression::None && decompressed => {
                "; compressed twice? decompress it once first"
            }
            [b'B', b'Z', b'h', ..] => "; this is bzip2: pipe `bzcat FILE` into `-`",
            [0xfd, b'7', b'z', b'X', b'Z', ..] => "; this is xz: pipe `xzcat FILE` into `-`",
            [0x04, 0x22, 0x4d, 0x18, ..] => "; this is lz4: pipe `lz4cat FILE` into `-`",
            [b'P', b'K', 3, 4, ..] => "; this is a zip archive: unpack it first",
            [b's', b'n', b'o', b'o', b'p', 0, ..] => "; this is snoop: convert it with `editcap -F pcapng`",
            [b'{' | b'<', ..] => "; this looks like text: JSON or XML exports hold no frames to decode",
            head if head.iter().all(|byte| matches!(byte, b'\t' | b'\r' | b'\n' | 0x20..=0x7e)) => {
                "; this looks like text: write the capture with `tcpdump -w`"
            }
            _ => "; `capinfos` or `editcap -F pcapng` may know it",
        }
    }
}

/// A path in a message.
struct Shown<'a>(&'a Path);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == Path::new("-") { f.write_str("standard input") } else { self.0.display().fmt(f) }
    }
}

/// The system's reason with a hint.
struct Reason<'a>(&'a io::Error);

impl fmt::Display for Reason<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.kind() {
            ErrorKind::NotFound => f.write_str("no such file (`-` reads standard input)"),
            ErrorKind::PermissionDenied => {
                f.write_str("no permission: run as a user who may read it, or pipe it into `-`")
            }
            ErrorKind::IsADirectory => f.write_str("a directory: name the capture files in it"),
            _ => self.0.fmt(f),
        }
    }
}
