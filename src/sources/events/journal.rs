//! What outlives the program: a snapshot, and the changes since, each with its checksum.
//!
//! Changes are handed to the kernel before they are answered, so a program that is killed loses nothing; once a second they are
//! synced, so a host that loses its power loses a second at most.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::entry::Entry;

const MAGIC: &[u8; 8] = b"sidevt01";
/// Length and checksum of a frame.
const HEAD: usize = 8;
/// A longer frame is damage.
const MAX_FRAME: usize = 256 << 20;
/// A journal of this size makes way for a snapshot.
const MAX_JOURNAL: u64 = 32 << 20;

/// The folder, and the journal that is being written.
pub struct Journal {
    folder: PathBuf,
    generation: u64,
    file: Arc<File>,
    /// Where the last whole frame ends.
    length: u64,
    /// Whether something behind it may be half written.
    is_torn: bool,
    is_dirty: bool,
    /// Held as long as this lives, so that no second agent writes here.
    _lock: File,
}

/// What was found at the start.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Found {
    pub entries: usize,
    /// Bytes at the end of a journal that were not whole.
    pub lost: u64,
    /// A snapshot that was damaged and put aside.
    pub damaged: Option<PathBuf>,
}

impl Journal {
    /// Opens the folder, and hands on what it holds.
    pub fn open(folder: &Path, mut each: impl FnMut(Entry)) -> io::Result<(Journal, Found)> {
        fs::create_dir_all(folder)?;
        let lock = OpenOptions::new().create(true).truncate(false).write(true).open(folder.join("lock"))?;
        rustix::fs::flock(&lock, rustix::fs::FlockOperation::NonBlockingLockExclusive)
            .map_err(|_| io::Error::new(io::ErrorKind::WouldBlock, "another agent keeps its state there"))?;
        let mut found = Found::default();
        let snapshot = folder.join("snapshot");
        let mut generation = 0;
        if snapshot.exists() {
            match read(&snapshot, &mut each) {
                Ok(Whole { generation: own, entries, torn: 0, .. }) => {
                    generation = own;
                    found.entries = entries;
                }
                _ => {
                    let aside = folder.join("snapshot.damaged");
                    fs::rename(&snapshot, &aside)?;
                    found.damaged = Some(aside);
                }
            }
        }
        let mut last = None;
        for (own, path) in journals(folder)? {
            if own < generation {
                fs::remove_file(&path)?;
                continue;
            }
            let whole = match read(&path, &mut each) {
                Ok(whole) => whole,
                // Not even a header: it was being made when the power went, or it is somebody else's.
                Err(_) => {
                    let torn = fs::metadata(&path)?.len();
                    fs::rename(&path, path.with_extension("damaged"))?;
                    Whole { torn, ..Whole::default() }
                }
            };
            found.entries += whole.entries;
            found.lost += whole.torn;
            last = Some((own, whole.length));
        }
        let (generation, length) = last.unwrap_or((generation, 0));
        let mut journal = Journal::begin(folder.to_owned(), generation, lock)?;
        if length >= MAGIC.len() as u64 + 8 {
            journal.cut(length)?;
        }
        Ok((journal, found))
    }

    fn begin(folder: PathBuf, generation: u64, lock: File) -> io::Result<Journal> {
        let (file, length) = create(&folder, generation)?;
        Ok(Journal { folder, generation, file: Arc::new(file), length, is_torn: false, is_dirty: false, _lock: lock })
    }

    /// Forgets what stands behind `length`.
    fn cut(&mut self, length: u64) -> io::Result<()> {
        self.file.set_len(length)?;
        (&*self.file).seek(SeekFrom::Start(length))?;
        self.length = length;
        self.is_torn = false;
        Ok(())
    }

    /// Writes changes down as one frame: all of them or none are there after a restart.
    pub fn append(&mut self, entries: &[Entry]) -> io::Result<()> {
        if self.is_torn {
            self.cut(self.length)?;
        }
        let frame = frame(entries)?;
        self.is_torn = true;
        (&*self.file).write_all(&frame)?;
        self.is_torn = false;
        self.length += frame.len() as u64;
        self.is_dirty = true;
        Ok(())
    }

    /// What has to be synced, if anything.
    pub fn dirty(&mut self) -> Option<Arc<File>> {
        std::mem::take(&mut self.is_dirty).then(|| Arc::clone(&self.file))
    }

    pub fn is_full(&self) -> bool {
        self.length > MAX_JOURNAL
    }

    pub fn length(&self) -> u64 {
        self.length
    }

    /// Begins the next journal; what is to be written in place of those before is in `entries`.
    pub fn turn(&mut self, entries: &[Entry]) -> io::Result<Snapshot> {
        let bytes = [header(self.generation + 1).as_slice(), &frame(entries)?].concat();
        let (file, length) = create(&self.folder, self.generation + 1)?;
        self.generation += 1;
        (self.file, self.length, self.is_torn) = (Arc::new(file), length, false);
        self.is_dirty = true;
        Ok(Snapshot { folder: self.folder.clone(), generation: self.generation, bytes })
    }
}

/// A state that is still to be written; the journals before it stay until it is.
pub struct Snapshot {
    folder: PathBuf,
    generation: u64,
    bytes: Vec<u8>,
}

impl Snapshot {
    pub fn write(self) -> io::Result<()> {
        let new = self.folder.join("snapshot.new");
        let mut file = File::create(&new)?;
        file.write_all(&self.bytes)?;
        file.sync_all()?;
        fs::rename(&new, self.folder.join("snapshot"))?;
        File::open(&self.folder)?.sync_all()?;
        for (generation, path) in journals(&self.folder)? {
            if generation < self.generation {
                fs::remove_file(path)?;
            }
        }
        Ok(())
    }
}

fn name(folder: &Path, generation: u64) -> PathBuf {
    folder.join(format!("journal.{generation:010}"))
}

/// The journals there are, the oldest first.
fn journals(folder: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if let Some(generation) = name.to_str().and_then(|name| name.strip_prefix("journal.")?.parse().ok()) {
            all.push((generation, entry.path()));
        }
    }
    all.sort_unstable();
    Ok(all)
}

fn header(generation: u64) -> Vec<u8> {
    [MAGIC.as_slice(), &generation.to_le_bytes()].concat()
}

/// Opens a journal behind what it holds; one that is new gets its header.
fn create(folder: &Path, generation: u64) -> io::Result<(File, u64)> {
    let mut file =
        OpenOptions::new().create(true).truncate(false).read(true).write(true).open(name(folder, generation))?;
    let mut length = file.seek(SeekFrom::End(0))?;
    if length < header(generation).len() as u64 {
        file.set_len(0)?;
        file.seek(SeekFrom::Start(0))?;
        file.write_all(&header(generation))?;
        length = header(generation).len() as u64;
    }
    Ok((file, length))
}

fn frame(entries: &[Entry]) -> io::Result<Vec<u8>> {
    let mut frame = postcard::to_extend(entries, vec![0; HEAD]).map_err(io::Error::other)?;
    let (length, sum) = (frame.len() - HEAD, crc32fast::hash(&frame[HEAD..]));
    frame[..4].copy_from_slice(&(length as u32).to_le_bytes());
    frame[4..HEAD].copy_from_slice(&sum.to_le_bytes());
    Ok(frame)
}

/// What a file held.
#[derive(Debug, Default)]
struct Whole {
    generation: u64,
    entries: usize,
    /// Where its last whole frame ends.
    length: u64,
    /// Bytes behind it.
    torn: u64,
}

/// Hands on all whole frames of a file.
fn read(path: &Path, each: &mut impl FnMut(Entry)) -> io::Result<Whole> {
    let mut bytes = Vec::new();
    File::open(path)?.read_to_end(&mut bytes)?;
    let damaged = || io::Error::new(io::ErrorKind::InvalidData, "no file of this program");
    let (head, mut rest) = bytes.split_at_checked(MAGIC.len() + 8).ok_or_else(damaged)?;
    let (magic, generation) = head.split_at(MAGIC.len());
    if magic != MAGIC {
        return Err(damaged());
    }
    let generation = u64::from_le_bytes(generation.try_into().map_err(|_| damaged())?);
    let mut entries = 0;
    while let Some((frame, after)) = whole_frame(rest) {
        entries += frame.len();
        frame.into_iter().for_each(&mut *each);
        rest = after;
    }
    Ok(Whole { generation, entries, length: (bytes.len() - rest.len()) as u64, torn: rest.len() as u64 })
}

fn whole_frame(bytes: &[u8]) -> Option<(Vec<Entry>, &[u8])> {
    let (head, rest) = bytes.split_at_checked(HEAD)?;
    let length = u32::from_le_bytes(head[..4].try_into().ok()?) as usize;
    let sum = u32::from_le_bytes(head[4..].try_into().ok()?);
    let (body, after) = rest.split_at_checked(length).filter(|_| length <= MAX_FRAME)?;
    if crc32fast::hash(body) != sum {
        return None;
    }
    Some((postcard::from_bytes(body).ok()?, after))
}
