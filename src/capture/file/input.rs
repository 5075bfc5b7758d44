//! Bytes from a file or standard input, decompressed when they are compressed, through one bounded buffer.

use std::fs::File;
use std::io::{self, BufReader, Chain, Cursor, ErrorKind, Read};
use std::os::fd::AsFd;
use std::path::Path;

use flate2::bufread::MultiGzDecoder;
use zstd::stream::read::Decoder as ZstdDecoder;

use super::{Found, Frame};

/// One read(2) asks for this much, bytes (measured: 64 KiB to 1 MiB differ by a tenth, this is the best).
const CHUNK: usize = 256 << 10;
/// The first read, to tell the compression, bytes.
const HEAD: usize = 4096;
/// The decoders' input buffer, bytes (a zstd block is at most 128 KiB, RFC 8878 section 3.1.1.2).
const COMPRESSED_CHUNK: usize = 128 << 10;

/// A file on disk or standard input.
pub(super) struct Source {
    file: File,
    read: u64,
}

impl Source {
    /// Opens `path`, or standard input for `-`; with the size of a regular file.
    pub(super) fn open(path: &Path) -> io::Result<(Source, Option<u64>)> {
        if path == Path::new("-") {
            let file = File::from(io::stdin().as_fd().try_clone_to_owned()?);
            return Ok((Source { file, read: 0 }, None));
        }
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        if metadata.is_dir() {
            return Err(ErrorKind::IsADirectory.into());
        }
        let size = metadata.is_file().then_some(metadata.len());
        Ok((Source { file, read: 0 }, size))
    }

    /// Reads until the compression can be told.
    fn head(&mut self) -> io::Result<Vec<u8>> {
        let mut head = vec![0; HEAD];
        let mut length = 0;
        while length < 4 {
            match self.read(head.get_mut(length..).unwrap_or_default()) {
                Ok(0) => break,
                Ok(n) => length += n,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        head.truncate(length);
        Ok(head)
    }
}

impl Read for Source {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.file.read(buffer)?;
        self.read += n as u64;
        Ok(n)
    }
}

/// The bytes read to know the compression, then the rest.
type Compressed = BufReader<Chain<Cursor<Vec<u8>>, Source>>;

enum Input {
    Plain(Source),
    Gzip(Box<MultiGzDecoder<Compressed>>),
    Zstd(Box<ZstdDecoder<'static, Compressed>>),
}

impl Input {
    fn source(&self) -> &Source {
        let compressed = match self {
            Input::Plain(source) => return source,
            Input::Gzip(decoder) => decoder.get_ref(),
            Input::Zstd(decoder) => decoder.get_ref(),
        };
        compressed.get_ref().get_ref().1
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Input::Plain(source) => source.read(buffer),
            Input::Gzip(decoder) => decoder.read(buffer),
            Input::Zstd(decoder) => decoder.read(buffer),
        }
    }
}

/// A compression's magic number at the start of `head`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Compression {
    None,
    Gzip,
    Zstd,
}

impl Compression {
    pub(super) fn of(head: &[u8]) -> Compression {
        match head {
            // RFC 1952 section 2.3.1
            [0x1f, 0x8b, ..] => Compression::Gzip,
            // RFC 8878 sections 3.1.1 and 3.1.2 (a skippable frame may come first)
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Compression::Zstd,
            _ => Compression::None,
        }
    }
}

/// Why no more bytes come.
pub(super) enum Fault {
    Io(io::Error),
    Decompress(String),
}

/// A sliding window over the (decompressed) stream: what was read and not yet consumed.
pub(super) struct Window {
    input: Input,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// Place of `start` in the stream, bytes.
    offset: u64,
    ended: bool,
    cut: bool,
}

impl Window {
    pub(super) fn open(mut source: Source) -> io::Result<Window> {
        let mut head = source.head()?;
        let compression = Compression::of(&head);
        if compression == Compression::None {
            let end = head.len();
            head.resize(HEAD + CHUNK, 0);
            return Ok(Window::over(Input::Plain(source), head, end));
        }
        let reader = BufReader::with_capacity(COMPRESSED_CHUNK, Cursor::new(head).chain(source));
        let input = match compression {
            Compression::Zstd => Input::Zstd(Box::new(ZstdDecoder::with_buffer(reader)?)),
            _ => Input::Gzip(Box::new(MultiGzDecoder::new(reader))),
        };
        Ok(Window::over(input, vec![0; CHUNK], 0))
    }

    fn over(input: Input, buffer: Vec<u8>, end: usize) -> Window {
        Window { input, buffer, start: 0, end, offset: 0, ended: false, cut: false }
    }

    #[inline]
    pub(super) fn unread(&self) -> &[u8] {
        self.buffer.get(self.start..self.end).unwrap_or_default()
    }

    /// Consumes a frame that was found in the unread bytes.
    #[inline]
    pub(super) fn take(&mut self, found: &Found) -> Frame<'_> {
        let from = self.start + found.start;
        self.skip(found.consumed);
        let data = self.buffer.get(from..from + found.length).unwrap_or_default();
        Frame { time: found.time, link: found.link, original_length: found.original_length, data }
    }

    /// Consumes bytes that are there.
    #[inline]
    pub(super) fn skip(&mut self, length: usize) {
        self.start += length;
        self.offset += length as u64;
    }

    /// Reads until `length` bytes are unread; false when the stream ends before. The caller bounds `length`.
    #[cold]
    pub(super) fn need(&mut self, length: usize) -> Result<bool, Fault> {
        if self.end - self.start >= length {
            return Ok(true);
        }
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        if self.buffer.len() < length {
            self.buffer.resize(length, 0);
        }
        while self.end < length && !self.ended {
            match self.input.read(self.buffer.get_mut(self.end..).unwrap_or_default()) {
                Ok(0) => self.ended = true,
                Ok(n) => self.end += n,
                Err(error) => self.read_failed(error)?,
            }
        }
        Ok(self.end >= length)
    }

    fn read_failed(&mut self, error: io::Error) -> Result<(), Fault> {
        match error.kind() {
            ErrorKind::Interrupted => return Ok(()),
            // A decoder that ran out of input.
            ErrorKind::UnexpectedEof if self.is_compressed() => {
                (self.ended, self.cut) = (true, true);
                return Ok(());
            }
            _ => self.ended = true,
        }
        // The disk's errors carry a number, the decoders' do not.
        if self.is_compressed() && error.raw_os_error().is_none() {
            return Err(Fault::Decompress(error.to_string()));
        }
        Err(Fault::Io(error))
    }

    /// Gives up the rest of the stream.
    pub(super) fn close(&mut self) {
        (self.start, self.end, self.ended, self.cut) = (0, 0, true, false);
    }

    /// Whether the compressed data ended before their end.
    pub(super) fn is_cut(&self) -> bool {
        self.cut
    }

    pub(super) fn is_compressed(&self) -> bool {
        !matches!(self.input, Input::Plain(_))
    }

    /// Place of the unread bytes in the (decompressed) stream.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// Bytes read from the source.
    pub(super) fn bytes_read(&self) -> u64 {
        self.input.source().read
    }
}
