//! Compressed recordings, recognised by their first bytes.

use flate2::bufread::MultiGzDecoder;
use std::io::{self, BufReader, Cursor, Read};

pub(super) type Bytes = Box<dyn Read + Send>;

/// So many bytes tell what a stream is.
pub(super) const MAGIC: usize = 4;
const GZIP: [u8; 2] = [0x1f, 0x8b];
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// A frame that asks for a larger window than 64 MiB is refused: it would break the bound on memory.
const ZSTD_WINDOW_LOG: u32 = 26;
const BUFFER: usize = 1 << 18;

/// `raw`, decompressed if it is a gzip or zstd stream.
pub(super) fn decompressed(raw: Bytes) -> io::Result<Bytes> {
    let (start, raw) = peeked(raw, MAGIC)?;
    if start.starts_with(&GZIP) {
        Ok(Box::new(MultiGzDecoder::new(BufReader::with_capacity(BUFFER, raw))))
    } else if start == ZSTD {
        let mut decoder = zstd::Decoder::with_buffer(BufReader::with_capacity(BUFFER, raw))?;
        decoder.window_log_max(ZSTD_WINDOW_LOG)?;
        Ok(Box::new(decoder))
    } else {
        Ok(raw)
    }
}

/// The first `most` bytes, or fewer if there are no more, and all bytes.
pub(super) fn peeked(mut raw: Bytes, most: usize) -> io::Result<(Vec<u8>, Bytes)> {
    let mut start = Vec::new();
    raw.by_ref().take(most as u64).read_to_end(&mut start)?;
    Ok((start.clone(), Box::new(Cursor::new(start).chain(raw))))
}
