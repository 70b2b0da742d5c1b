//! What several targets share: files of one input, and bytes as packets of a few flows.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use tempfile::TempDir;
use tracecodec_nn::{Codec, CodecConfig};

/// A folder in memory, where there is one, that holds the files of one input after the other.
pub fn folder() -> &'static Path {
    static FOLDER: OnceLock<TempDir> = OnceLock::new();
    let make = || {
        let memory = Path::new("/dev/shm");
        if memory.is_dir() {
            TempDir::new_in(memory)
        } else {
            TempDir::new()
        }
    };
    FOLDER
        .get_or_init(|| make().expect("a temporary folder can be made"))
        .path()
}

/// Dimensions of the latents of [`codec`].
pub const D_LATENT: usize = 8;

/// A small codec with random weights, since large ones are slow with counters in their loops.
pub fn codec() -> &'static Codec {
    static CODEC: OnceLock<Codec> = OnceLock::new();
    CODEC.get_or_init(|| {
        let config = CodecConfig {
            d_latent: D_LATENT,
            width: 8,
            encoder_blocks: 0,
            decoder_blocks: 0,
            ..CodecConfig::default()
        };
        let codec = Codec::new(&config, 0).expect("the shape is sound");
        codec.with_threads(1)
    })
}

/// Writes a file of the folder. Returns its path.
pub fn file(name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder().join(name);
    std::fs::write(&path, bytes).expect("a temporary file can be written");
    path
}

/// The JSON text before the first zero byte, and what is behind it.
pub fn text_and_rest(bytes: &[u8]) -> (&[u8], &[u8]) {
    match bytes.iter().position(|byte| *byte == 0) {
        Some(end) => (&bytes[..end], &bytes[end + 1..]),
        None => (bytes, &[]),
    }
}

/// Packets of raw IP, each as a step of time in nanoseconds, bytes beyond the captured ones, and
/// the captured bytes. A record of the input is the length of the packet, the exponent and the
/// mantissa of the step, a byte that chooses protocol and hosts, and the transport bytes.
pub fn packets(mut bytes: &[u8], most: usize) -> Vec<(i64, u32, Vec<u8>)> {
    let mut packets = Vec::new();
    while packets.len() < most
        && let Some((&[len, exponent, step], tail)) = bytes.split_first_chunk()
    {
        let len = usize::from(len).clamp(1, tail.len().max(1));
        let Some((record, tail)) = tail.split_at_checked(len) else {
            break;
        };
        bytes = tail;
        let step = i64::from(step as i8) << (exponent % 50);
        packets.push((step, u32::from(exponent >> 6), packet(record)));
    }
    packets
}

/// A packet whose IP header leads to the transport header at once, so that bytes become packets
/// easily.
fn packet(record: &[u8]) -> Vec<u8> {
    const PROTOCOLS: [u8; 8] = [6, 6, 6, 6, 17, 1, 58, 47];
    let proto = PROTOCOLS[usize::from(record[0] >> 1 & 7)];
    let (source, destination) = (record[0] >> 4 & 1, record[0] >> 5 & 1);
    let body = &record[1..];
    let [high, low] = (20 + body.len() as u16).to_be_bytes();
    match record[0] & 1 {
        0 => {
            let header = [0x45, 0, high, low, 0, 0, 0, 0, 64, proto, 0, 0];
            let hosts = [10, 0, 0, source, 10, 0, 0, destination];
            [&header[..], &hosts, body].concat()
        }
        // The whole packet comes from the input, except its version.
        _ => {
            let version = if record[0] & 0x80 == 0 { 0x40 } else { 0x60 };
            let first = version | body.first().unwrap_or(&5) & 0xf;
            [&[first], body.get(1..).unwrap_or(&[])].concat()
        }
    }
}
