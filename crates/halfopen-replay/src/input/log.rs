//! Logs of connections: one record for each attempt, put into the order in which they began.

use super::Counts;
use super::compression::Bytes;
use super::lines::{Line, Lines};
use super::log_record::Record;
use super::order::InOrder;
use super::{eve, zeek};
use crate::observation::Observation;
use serde_json::Value;
use std::fmt;
use std::io;

/// The form of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LogForm {
    /// Zeek's own.
    ZeekTsv,
    /// One object in each line: Zeek's or Suricata's.
    Json,
}

pub(super) struct Log {
    lines: Lines,
    form: LogForm,
    fields: zeek::Fields,
    held: InOrder,
    is_over: bool,
    counts: Counts,
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Log").field("form", &self.form).field("counts", &self.counts).finish_non_exhaustive()
    }
}

impl Log {
    pub fn new(bytes: Bytes, form: LogForm) -> Self {
        Self {
            lines: Lines::new(bytes),
            form,
            fields: zeek::Fields::default(),
            held: InOrder::default(),
            is_over: false,
            counts: Counts::default(),
        }
    }

    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    pub fn next(&mut self) -> io::Result<Option<Observation>> {
        while !self.is_over && self.held.wants_more() {
            self.read()?;
        }
        let next = self.held.next();
        self.counts.late = self.held.late;
        Ok(next)
    }

    fn read(&mut self) -> io::Result<()> {
        let (offset, record) = match self.lines.next()? {
            None => {
                self.is_over = true;
                return Ok(());
            }
            Some(Line::TooLong { offset }) => (offset, Record::Damaged("its line is too long")),
            Some(Line::Whole { offset, text, is_cut_off }) => {
                self.counts.bytes += text.len() as u64 + 1;
                let record = match self.form {
                    LogForm::ZeekTsv => self.fields.read(text),
                    LogForm::Json => json(text),
                };
                if is_cut_off && matches!(record, Record::Damaged(_)) {
                    self.counts.is_cut_off = true;
                    return Ok(());
                }
                (offset, record)
            }
        };
        match record {
            Record::Header => return Ok(()),
            Record::Attempt(recorded) => {
                if let Err(what) = self.held.hold(&recorded) {
                    self.counts.damage(offset, what);
                }
            }
            Record::Other => self.counts.other += 1,
            Record::Damaged(what) => self.counts.damage(offset, what),
        }
        self.counts.records += 1;
        Ok(())
    }
}

fn json(text: &[u8]) -> Record {
    if text.iter().all(u8::is_ascii_whitespace) {
        return Record::Header;
    }
    let Ok(Value::Object(record)) = serde_json::from_slice(text) else {
        return Record::Damaged("it is no JSON object");
    };
    if record.contains_key("event_type") { eve::read(&record) } else { zeek::read_json(&record) }
}
