//! SIPp as a child process, with what it counted itself.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::collections::{BTreeSet, HashMap};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::common::{find_program, wait_for};

/// Milliseconds between two packets of `media.pcap`.
const PACKET_TIME_MS: u32 = 20;

/// One SIPp; killed when dropped.
pub struct Sipp {
    child: Child,
    folder: PathBuf,
    scenario: String,
}

/// What a finished SIPp counted.
#[derive(Debug)]
pub struct Counts {
    pub successful: u64,
    pub failed: u64,
    // Column of -trace_counts, as in "0_INVITE_Sent", to its last value.
    columns: HashMap<String, u64>,
}

impl Sipp {
    /// Starts `tests/live/SCENARIO.xml` in `folder`, with `arguments` behind those that every SIPp here gets.
    pub fn start(folder: &Path, scenario: &str, arguments: &str) -> Self {
        let xml = format!("{scenario}.xml");
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/live").join(&xml);
        // SIPp looks for media.pcap next to the scenario.
        fs::copy(shipped, folder.join(&xml)).expect("the scenario is copied");
        Self::run(&mut Command::new(find_program("sipp").expect("sipp")), folder, scenario, arguments)
    }

    /// The same with `SCENARIO.xml` that is there already; `program` is SIPp, or what starts it elsewhere.
    pub fn run(program: &mut Command, folder: &Path, scenario: &str, arguments: &str) -> Self {
        let xml = format!("{scenario}.xml");
        let output = File::create(folder.join(format!("{scenario}.out"))).expect("an output file");
        let child = program
            .current_dir(folder)
            .args(["-sf", &xml, "-nostdin", "-trace_counts", "-trace_stat", "-trace_err"])
            .args(arguments.split_whitespace())
            .stdin(Stdio::null())
            .stdout(output.try_clone().expect("an output file"))
            .stderr(output)
            .spawn()
            .expect("sipp starts");
        Sipp { child, folder: folder.to_owned(), scenario: scenario.to_owned() }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for the end; fails unless every call of it succeeded.
    pub fn finish(self) -> Counts {
        self.end().unwrap_or_else(|what| panic!("{what}"))
    }

    /// Waits for the end: what was counted, or what went wrong.
    pub fn end(mut self) -> Result<Counts, String> {
        let what = format!("{} to end", self.scenario);
        let status = wait_for(&what, || self.child.try_wait().expect("the state of sipp"));
        let stem = format!("{}_{}_", self.scenario, self.child.id());
        let read = |suffix: &str| fs::read_to_string(self.folder.join(format!("{stem}{suffix}"))).unwrap_or_default();
        if !status.success() {
            return Err(format!("{} ended with {status}: {}", self.scenario, read("errors.log")));
        }
        // The statistics file is called NAME_PID_.csv.
        let statistics = last_row(&read(".csv"));
        let cell = |name: &str| statistics.get(name).copied().unwrap_or_else(|| panic!("no {name}: {statistics:?}"));
        Ok(Counts {
            successful: cell("SuccessfulCall(C)"),
            failed: cell("FailedCall(C)"),
            columns: last_row(&read("counts.csv")),
        })
    }
}

impl Drop for Sipp {
    fn drop(&mut self) {
        // Both fail only when it has already ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Counts {
    /// How often `message` (a method or a status) was sent, without repetitions.
    pub fn sent(&self, message: &str) -> u64 {
        self.total(message, "Sent", "Sent")
    }

    /// How often `message` came in, without repetitions.
    pub fn received(&self, message: &str) -> u64 {
        self.total(message, "Recv", "Recv")
    }

    /// How often `message` was sent again.
    pub fn sent_again(&self, message: &str) -> u64 {
        self.total(message, "Sent", "Retrans")
    }

    /// Every message that was sent (`kind` is `Sent`) or received (`Recv`), by method or status, and how often, again or not.
    pub fn all(&self, kind: &str) -> Vec<(String, u64)> {
        // "3_INVITE_Sent": a step, a message, a kind.
        let names = self.columns.keys().filter_map(|column| column.strip_suffix("_Retrans")?.split_once('_'));
        let names: BTreeSet<&str> = names.map(|(_, name)| name).collect();
        let all = |name: &str| self.total(name, kind, kind) + self.total(name, kind, "Retrans");
        names.into_iter().map(|name| (name.to_owned(), all(name))).filter(|(_, times)| *times > 0).collect()
    }

    // Retrans stands beside Sent for what goes out and beside Recv for what comes in.
    fn total(&self, message: &str, kind: &str, wanted: &str) -> u64 {
        let suffix = format!("_{message}_{kind}");
        let rows = self.columns.keys().filter_map(|column| column.strip_suffix(&suffix));
        rows.filter_map(|row| self.columns.get(&format!("{row}_{message}_{wanted}"))).sum()
    }
}

fn last_row(csv: &str) -> HashMap<String, u64> {
    let mut lines = csv.lines();
    let (Some(header), Some(last)) = (lines.next(), lines.next_back()) else {
        return HashMap::new();
    };
    let cells = header.split(';').zip(last.split(';'));
    cells.filter_map(|(name, value)| Some((name.to_owned(), value.parse().ok()?))).collect()
}

/// Writes `media.pcap` for SIPp's play_pcap_audio: `packets` of PCMA, 20 ms each, without any loss.
pub fn write_media(folder: &Path, packets: u16) {
    // RFC 3551 section 4.5.14: 0xd5 is silence in A-law.
    write_pcap(folder, packets, |n| rtp_packet(n, 0x51de_704e, 8, |_| 0xd5));
}

/// The same with this SSRC, this static payload type of G.711, and a payload that is never the same twice.
pub fn write_stream(folder: &Path, packets: u16, ssrc: u32, payload_type: u8) {
    write_pcap(folder, packets, |n| telling_packet(n, ssrc, payload_type));
}

/// The `n`th RTP packet of a stream whose payloads all differ, also from those of other streams.
pub fn telling_packet(n: u16, ssrc: u32, payload_type: u8) -> Vec<u8> {
    rtp_packet(n, ssrc, payload_type, |at| {
        // A multiplicative hash of packet, place and stream: its high bits look like noise.
        let mixed = ssrc.wrapping_add(u32::from(n) << 8 | u32::from(at)).wrapping_mul(0x9e37_79b1);
        (mixed >> 24) as u8
    })
}

fn write_pcap(folder: &Path, packets: u16, packet: impl Fn(u16) -> Vec<u8>) {
    // https://www.tcpdump.org/manpages/pcap-savefile.5.html: microseconds, version 2.4, LINKTYPE_ETHERNET.
    let mut file = Vec::new();
    for field in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 65535, 1] {
        file.extend(field.to_le_bytes());
    }
    for n in 0..packets {
        let frame = media_frame(&packet(n));
        let time_ms = u32::from(n) * PACKET_TIME_MS;
        let length = u32::try_from(frame.len()).expect("a short frame");
        // SIPp takes a first time of 0 for none.
        for field in [1 + time_ms / 1000, time_ms % 1000 * 1000, length, length] {
            file.extend(field.to_le_bytes());
        }
        file.extend(frame);
    }
    fs::write(folder.join("media.pcap"), file).expect("media.pcap is written");
}

// SIPp sends the UDP payload under headers of its own: checksums stay 0.
fn media_frame(packet: &[u8]) -> Vec<u8> {
    let udp_length = 8 + packet.len() as u16;
    let mut frame = vec![0; 12];
    frame.extend([0x08, 0x00]);
    frame.extend([0x45, 0]);
    frame.extend((20 + udp_length).to_be_bytes());
    frame.extend([0, 0, 0, 0, 64, 17, 0, 0, 127, 0, 0, 1, 127, 0, 0, 1]);
    for field in [6000, 6000, udp_length, 0] {
        frame.extend(u16::to_be_bytes(field));
    }
    frame.extend(packet);
    frame
}

fn rtp_packet(n: u16, ssrc: u32, payload_type: u8, sample: impl Fn(u8) -> u8) -> Vec<u8> {
    const SAMPLES: u8 = 160;
    // RFC 3550 section 5.1: version 2, the marker on the first packet; the sequence wraps underway.
    let mut packet = vec![0x80, if n == 0 { 0x80 | payload_type } else { payload_type }];
    packet.extend(65_530_u16.wrapping_add(n).to_be_bytes());
    packet.extend((u32::from(n) * u32::from(SAMPLES)).to_be_bytes());
    packet.extend(ssrc.to_be_bytes());
    packet.extend((0..SAMPLES).map(sample));
    packet
}
