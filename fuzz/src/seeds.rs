//! Writes the examples of the tests into `fuzz/corpus/TARGET`, for the targets to begin with.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use sidetone_fuzz::capture_files::{Order, classic, gzip, pcapng, zstd};
use sidetone_fuzz::packets::fixtures;
use sidetone_fuzz::write;

fn main() -> io::Result<()> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let mut all = Vec::new();
    let seed = |target: &str, name: &str, bytes: &[u8]| {
        let folder = corpus.join(target);
        fs::create_dir_all(&folder)?;
        fs::File::create(folder.join(format!("seed-{name}")))?.write_all(bytes)
    };
    for (at, fixture) in fixtures().iter().enumerate() {
        let name = format!("{at}");
        for target in ["sip", "sdp", "rtp", "rtcp", "hep", "voice_report", "websocket"] {
            seed(target, &name, &fixture.payload)?;
        }
        let mut step = Vec::new();
        write(fixture.link, &fixture.frame, &mut step);
        seed("link", &name, &step)?;
        seed("core", &name, &step)?;
        all.extend(step);
        let stream = [&[0x08, 0, 0, 0][..], &(fixture.payload.len() as u16).to_be_bytes(), &fixture.payload].concat();
        seed("connections", &name, &stream)?;
    }
    seed("core", "all", &all)?;
    seed("config", "shipped", include_bytes!("../../config/sidetone.toml"))?;
    for order in [Order::Little, Order::Big] {
        for magic in [0xa1b2_c3d4, 0xa1b2_3c4d, 0xa1b2_cd34] {
            seed("capture_file", &format!("{order:?}-{magic:08x}"), &classic(order, magic, 1))?;
        }
        seed("capture_file", &format!("{order:?}-pcapng"), &pcapng(order))?;
    }
    seed("capture_file", "gzip", &gzip(&pcapng(Order::Little)))?;
    seed("capture_file", "zstd", &zstd(&pcapng(Order::Little)))?;
    for file in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/config"))? {
        let path = file?.path();
        if path.extension().is_some_and(|ending| ending == "toml") {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            seed("config", &name, &fs::read(&path)?)?;
        }
    }
    Ok(())
}
