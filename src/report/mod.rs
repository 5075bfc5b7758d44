//! What `analyze` found, for programs (JSON), for people (text).

pub mod json;
pub mod text;

use crate::engine::Analysis;
use crate::time::Timestamp;

/// What one capture file was.
#[derive(Clone, Debug, serde::Serialize)]
pub struct CaptureSummary {
    pub file: String,
    pub link_type: String,
    pub packets: u64,
    pub bytes: u64,
    /// Unix seconds; `None` for a file without packets.
    pub first_packet_time: Option<f64>,
    pub last_packet_time: Option<f64>,
    pub truncated: bool,
}

/// The files and what they held.
#[derive(Debug)]
pub struct Findings {
    pub captures: Vec<CaptureSummary>,
    pub analysis: Analysis,
}

/// What a call's media adds to what its signalling says.
struct CallMedia {
    /// Indices into the analysis' streams.
    streams: Vec<usize>,
    /// MOS of the worst stream.
    mos: Option<f64>,
    /// Last packet of the call, signalling or media.
    last_packet: Timestamp,
}

impl Findings {
    fn media_of(&self, call: usize) -> CallMedia {
        let Analysis { calls, streams, last_media, .. } = &self.analysis;
        let of_call: Vec<usize> = (0..streams.len()).filter(|at| streams[*at].call == calls[call].serial).collect();
        let ratings = of_call.iter().filter_map(|at| Some(streams[*at].rating?.mos));
        CallMedia {
            mos: ratings.min_by(f64::total_cmp),
            last_packet: last_media[call].unwrap_or_default().max(calls[call].last_message),
            streams: of_call,
        }
    }
}
