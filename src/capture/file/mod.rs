//! Capture files: classic pcap and pcapng, plain, gzip or zstd, from disk or standard input.
//!
//! One pass, one buffer: large reads go into a bounded window, and every frame borrows its bytes from there.
//! The two formats are pure steps over the unread bytes (`pcap`, `pcapng`); only `input` does I/O.

mod error;
mod input;
mod link;
mod pcap;
mod pcapng;

use std::path::{Path, PathBuf};

use self::input::{Fault, Source, Window};
use crate::time::Timestamp;
use crate::wire::LinkType;

pub use self::error::{Corruption, FileError};

/// The longest frame that a capture file may hold, bytes (libpcap's MAXIMUM_SNAPLEN, pcap-int.h).
pub const MAX_FRAME: u32 = 262_144;

/// One captured frame. Its bytes live until the next call of [`CaptureFile::next`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// When it was captured. A pcapng Simple Packet Block has no time: it gets that of the frame before it.
    pub time: Timestamp,
    /// The link type that the file gives for this frame's interface.
    pub link: LinkType,
    /// Its length on the wire, bytes; `data` is shorter when the capture cut it.
    pub original_length: u32,
    /// The captured bytes, at most [`MAX_FRAME`].
    pub data: &'a [u8],
}

/// A frame that lies complete at the front of the unread bytes.
struct Found {
    time: Timestamp,
    link: LinkType,
    original_length: u32,
    /// Where its data starts, and how long they are, bytes.
    start: usize,
    length: usize,
    /// How much the record or block takes in all, bytes.
    consumed: usize,
}

/// What a format makes of the unread bytes.
enum Step {
    Frame(Found),
    /// Nothing to deliver in this many bytes.
    Skip(usize),
    /// It takes this many bytes to go on.
    Need(usize),
}

enum Format {
    Classic(pcap::Classic),
    Pcapng(pcapng::Sections),
    /// The file ends inside its own header.
    Cut,
}

/// A capture file, read from front to end.
pub struct CaptureFile {
    window: Window,
    format: Format,
    truncated: bool,
    path: PathBuf,
    name: String,
    size: Option<u64>,
}

impl CaptureFile {
    /// Opens a file (`-`: standard input) and finds out its compression and format.
    pub fn open(path: &Path) -> Result<CaptureFile, FileError> {
        let open = |source| FileError::Open { path: path.to_owned(), source };
        let (source, size) = Source::open(path).map_err(open)?;
        let mut window = Window::open(source).map_err(|source| FileError::read(path, 0, source))?;
        let format = read_header(&mut window).map_err(|problem| problem.at(path, &window))?;
        let truncated = matches!(format, Format::Cut);
        let name = path.to_string_lossy().into_owned();
        Ok(CaptureFile { window, format, truncated, path: path.to_owned(), name, size })
    }

    /// The next frame, or `None` at the end and after an error. What a cut-off file still holds of its last record is
    /// not delivered; then [`CaptureFile::truncated`] says so.
    #[expect(clippy::should_implement_trait, reason = "frames borrow from the reader: it cannot be an Iterator")]
    #[inline]
    pub fn next(&mut self) -> Result<Option<Frame<'_>>, FileError> {
        // The case that counts: a classic record that lies complete in the buffer.
        if let Format::Classic(classic) = &self.format
            && let Ok(Step::Frame(found)) = classic.step(self.window.unread())
        {
            return Ok(Some(self.window.take(&found)));
        }
        self.next_by_steps()
    }

    #[inline(never)]
    fn next_by_steps(&mut self) -> Result<Option<Frame<'_>>, FileError> {
        loop {
            let step = match &mut self.format {
                Format::Classic(classic) => classic.step(self.window.unread()),
                Format::Pcapng(sections) => sections.step(self.window.unread()),
                Format::Cut => return Ok(None),
            };
            match step {
                Ok(Step::Frame(found)) => return Ok(Some(self.window.take(&found))),
                Ok(Step::Skip(length)) => self.window.skip(length),
                Ok(Step::Need(length)) => match self.window.need(length) {
                    Ok(true) => {}
                    Ok(false) => {
                        self.truncated |= self.window.is_cut() || !self.window.unread().is_empty();
                        self.window.close();
                        return Ok(None);
                    }
                    Err(fault) => return Err(self.fail(Problem::Fault(fault))),
                },
                Err(what) => return Err(self.fail(Problem::Corrupt(what))),
            }
        }
    }

    #[cold]
    fn fail(&mut self, problem: Problem) -> FileError {
        let error = problem.at(&self.path, &self.window);
        self.window.close();
        error
    }

    /// Whether the file ended inside a record, or its compressed stream before its end. Final once `next` gave `None`.
    pub fn truncated(&self) -> bool {
        self.truncated
    }

    /// The link types of the interfaces seen so far, in their order, each once: `EN10MB`, or `EN10MB,LINUX_SLL`.
    /// `unknown` before the first interface is known (a pcapng file names them as it goes).
    pub fn link_type_name(&self) -> String {
        match &self.format {
            Format::Classic(classic) => link::names(&[classic.link()]),
            Format::Pcapng(sections) => link::names(sections.links()),
            Format::Cut => link::names(&[]),
        }
    }

    /// How far the file on disk was read, bytes (compressed ones when it is compressed).
    pub fn bytes_read(&self) -> u64 {
        self.window.bytes_read()
    }

    /// The size of the file on disk, bytes; `None` for standard input, pipes and devices.
    pub fn size(&self) -> Option<u64> {
        self.size
    }

    /// The path as it was given, `-` for standard input.
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// Why the header or the next frame cannot be read; with path and place it becomes a [`FileError`].
enum Problem {
    Fault(Fault),
    Corrupt(Corruption),
    Empty,
    NotACapture,
}

impl Problem {
    fn at(self, path: &Path, window: &Window) -> FileError {
        let path = path.to_owned();
        let (offset, decompressed) = (window.offset(), window.is_compressed());
        match self {
            Problem::Fault(Fault::Io(source)) => FileError::Read { path, offset: window.bytes_read(), source },
            Problem::Fault(Fault::Decompress(reason)) => {
                FileError::Corrupt { path, offset, decompressed, what: Corruption::Compression(reason) }
            }
            Problem::Corrupt(what) => FileError::Corrupt { path, offset, decompressed, what },
            Problem::Empty => FileError::Empty { path, decompressed },
            Problem::NotACapture => {
                let head: Vec<u8> = window.unread().iter().copied().take(16).collect();
                FileError::NotACapture { path, decompressed, head: error::Head(head) }
            }
        }
    }
}

/// Finds the format by its magic number, and reads a classic file's header.
fn read_header(window: &mut Window) -> Result<Format, Problem> {
    // The longest magic: type, length and byte order of a pcapng Section Header Block.
    window.need(12).map_err(Problem::Fault)?;
    if pcapng::is_magic(window.unread()) {
        return Ok(Format::Pcapng(pcapng::Sections::default()));
    }
    let Some(variant) = pcap::Variant::of(window.unread()) else {
        return match window.unread() {
            head if head.len() < 4 && window.is_cut() => Ok(Format::Cut),
            [] => Err(Problem::Empty),
            _ => Err(Problem::NotACapture),
        };
    };
    if !window.need(pcap::FILE_HEADER).map_err(Problem::Fault)? {
        return Ok(Format::Cut);
    }
    let classic = pcap::Classic::new(variant, window.unread()).map_err(Problem::Corrupt)?;
    window.skip(pcap::FILE_HEADER);
    Ok(Format::Classic(classic))
}
