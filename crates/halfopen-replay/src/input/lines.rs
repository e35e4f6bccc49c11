//! Lines of a log, in bounded memory.

use super::compression::Bytes;
use std::io::{self, BufRead, BufReader, Read};

const BUFFER: usize = 1 << 18;
/// A longer line is no record.
const LONGEST: u64 = 1 << 20;

pub(super) struct Lines {
    bytes: BufReader<Bytes>,
    line: Vec<u8>,
    offset: u64,
}

/// A line.
pub(super) enum Line<'a> {
    /// Its offset and its bytes, without the end of the line, and whether that is missing.
    Whole { offset: u64, text: &'a [u8], is_cut_off: bool },
    /// One that is too long, which was skipped.
    TooLong { offset: u64 },
}

impl Lines {
    pub fn new(bytes: Bytes) -> Self {
        Self { bytes: BufReader::with_capacity(BUFFER, bytes), line: Vec::new(), offset: 0 }
    }

    pub fn next(&mut self) -> io::Result<Option<Line<'_>>> {
        let offset = self.offset;
        self.line.clear();
        let read = self.bytes.by_ref().take(LONGEST).read_until(b'\n', &mut self.line)?;
        self.offset += read as u64;
        if read == 0 {
            return Ok(None);
        }
        if self.line.last() == Some(&b'\n') {
            self.line.pop();
            return Ok(Some(Line::Whole { offset, text: &self.line, is_cut_off: false }));
        }
        if read as u64 == LONGEST {
            self.offset += self.bytes.skip_until(b'\n')? as u64;
            return Ok(Some(Line::TooLong { offset }));
        }
        Ok(Some(Line::Whole { offset, text: &self.line, is_cut_off: true }))
    }
}
