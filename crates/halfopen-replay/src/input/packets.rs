//! pcap and pcapng, read as a stream.

use super::Counts;
use super::compression::{Bytes, peeked};
use super::link::{Inside, Link};
use super::order::IMPOSSIBLE_TIME;
use super::record_start::{Begins, RecordStart};
use super::segment::{self, Packet};
use crate::observation::{LATEST, Observation};
use pcap_parser::traits::{PcapNGPacketBlock, PcapReaderIterator};
use pcap_parser::{Block, LegacyPcapReader, Linktype, PcapBlockOwned, PcapError, PcapHeader, PcapNGReader};
use std::fmt;
use std::io;

/// Enough for hundreds of packets at a time; a larger one leaves the processor's cache.
const BUFFER: usize = 1 << 18;
/// The largest block that is read.
const LARGEST: usize = 1 << 24;
/// More interfaces than this in a section are damaged.
const INTERFACES: usize = 1 << 16;
const NS: u64 = 1_000_000_000;

/// An interface of a capture.
#[derive(Debug, Clone, Copy)]
struct Interface {
    /// `None`: one that is not read.
    link: Option<Link>,
    /// Ticks of its clock in a second.
    resolution: u64,
    /// Seconds to be added.
    offset: i64,
}

impl Interface {
    fn new(kind: Linktype, resolution: u64, offset: i64) -> Self {
        Self { link: Link::of(kind), resolution: resolution.max(1), offset }
    }

    /// Nanoseconds since the epoch.
    fn time(self, ticks: u64) -> u64 {
        let ns = u128::from(ticks) * u128::from(NS) / u128::from(self.resolution);
        let offset = i128::from(self.offset) * i128::from(NS);
        u64::try_from(i128::try_from(ns).unwrap_or(i128::MAX).saturating_add(offset)).unwrap_or(0)
    }
}

/// A capture.
pub(super) struct Packets {
    reader: Box<dyn PcapReaderIterator + Send>,
    /// `None` before the file's header.
    start: Option<RecordStart>,
    interfaces: Vec<Interface>,
    counts: Counts,
    capacity: usize,
    /// Of the last packet, for those without a time.
    time: u64,
}

impl fmt::Debug for Packets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Packets").field("counts", &self.counts).finish_non_exhaustive()
    }
}

/// What the reader stands at.
enum At {
    Observation(Observation),
    /// Something that tells nothing of attempts.
    Next,
    /// More has to be read first.
    More,
    Damage(&'static str),
    End,
}

impl Packets {
    pub fn new(bytes: Bytes, is_ng: bool) -> io::Result<Self> {
        // The readers want the file's whole header in their first read.
        let (_, bytes) = peeked(bytes, BUFFER)?;
        let wrong = |error: PcapError<&[u8]>| match error {
            PcapError::ReadError => io::Error::other("reading failed"),
            _ => io::Error::new(io::ErrorKind::UnexpectedEof, "its header is damaged or cut off"),
        };
        let reader: Box<dyn PcapReaderIterator + Send> = if is_ng {
            Box::new(PcapNGReader::new(BUFFER, bytes).map_err(wrong)?)
        } else {
            Box::new(LegacyPcapReader::new(BUFFER, bytes).map_err(wrong)?)
        };
        Ok(Self {
            reader,
            start: None,
            interfaces: Vec::new(),
            counts: Counts::default(),
            capacity: BUFFER,
            time: 0,
        })
    }

    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    pub fn next(&mut self) -> io::Result<Option<Observation>> {
        loop {
            match self.step()? {
                At::Observation(observation) => return Ok(Some(observation)),
                At::Next => {}
                At::More => self.refill()?,
                At::Damage(what) => {
                    self.counts.damage(self.reader.consumed() as u64, what);
                    self.find_next()?;
                }
                At::End => return Ok(None),
            }
        }
    }

    fn step(&mut self) -> io::Result<At> {
        let is_exhausted = self.reader.reader_exhausted();
        match self.start.map(|start| start.is_possible(self.reader.data(), is_exhausted, self.time)) {
            Some(Begins::No) => return Ok(At::Damage("its length or time is impossible")),
            Some(Begins::MayBe) => return Ok(At::More),
            Some(Begins::Yes) | None => {}
        }
        let Self { reader, counts, interfaces, start, time, .. } = self;
        let offset = reader.consumed() as u64;
        let (size, at) = match reader.next() {
            Ok((size, PcapBlockOwned::Legacy(packet))) => {
                let Some(interface) = interfaces.first() else { return Ok(At::End) };
                let ticks = u64::from(packet.ts_sec) * interface.resolution + u64::from(packet.ts_usec);
                *time = interface.time(ticks);
                (size, look(*interface, *time, packet.data, offset, counts))
            }
            Ok((size, PcapBlockOwned::LegacyHeader(header))) => {
                let resolution = if header.is_nanosecond_precision() { NS } else { 1_000_000 };
                interfaces.push(Interface::new(link_type(&header), resolution, 0));
                *start = Some(RecordStart::of(&header));
                (size, At::Next)
            }
            Ok((size, PcapBlockOwned::NG(block))) => {
                (size, look_at_block(&block, interfaces, start, time, offset, counts))
            }
            Err(PcapError::Eof) => return Ok(At::End),
            Err(PcapError::ReadError) => return Err(io::Error::other("reading failed")),
            Err(PcapError::Incomplete(_) | PcapError::BufferTooSmall) if !is_exhausted => {
                return Ok(At::More);
            }
            Err(PcapError::UnexpectedEof | PcapError::Incomplete(_) | PcapError::BufferTooSmall) => {
                // Either the file is cut off, or a damaged length says so.
                let data = reader.data();
                let begins = |at: usize| Some(start.as_ref()?.begins(&data[at..], true, *time));
                let goes_on = (1..data.len()).any(|at| begins(at) == Some(Begins::Yes));
                if goes_on {
                    return Ok(At::Damage("its length is impossible"));
                }
                counts.is_cut_off = !data.is_empty();
                return Ok(At::End);
            }
            Err(_) => return Ok(At::Damage("its block contradicts itself")),
        };
        counts.bytes += size as u64;
        reader.consume_noshift(size);
        Ok(at)
    }

    /// Reads more, into a larger buffer if this one is full.
    fn refill(&mut self) -> io::Result<()> {
        let held = self.reader.data().len();
        if held == self.capacity && !self.grow() {
            self.counts.damage(self.reader.consumed() as u64, "its length is impossible");
            return self.find_next();
        }
        let failed = self.reader.refill().is_err();
        if failed { Err(io::Error::other("reading failed")) } else { Ok(()) }
    }

    fn grow(&mut self) -> bool {
        let larger = 2 * self.capacity;
        if larger > LARGEST || !self.reader.grow(larger) {
            return false;
        }
        self.capacity = larger;
        true
    }

    /// Goes to the next place at which a record may begin.
    fn find_next(&mut self) -> io::Result<()> {
        let start = self.start.unwrap_or(RecordStart::Block { is_big_endian: false });
        let mut from = 1;
        loop {
            let data = self.reader.data();
            let is_all = self.reader.reader_exhausted();
            let found =
                (from..data.len()).find_map(|at| match start.begins(&data[at..], is_all, self.time) {
                    Begins::No => None,
                    begins => Some((at, begins)),
                });
            match found {
                Some((at, Begins::Yes)) => {
                    self.reader.consume_noshift(at);
                    return Ok(());
                }
                Some((at, _)) if at > 0 || self.reader.data().len() < self.capacity => {
                    self.reader.consume_noshift(at);
                    self.refill()?;
                    from = 0;
                }
                Some(_) => from = 1,
                None => {
                    let all = data.len();
                    self.reader.consume_noshift(all);
                    if is_all {
                        return Ok(());
                    }
                    self.refill()?;
                    from = 0;
                }
            }
        }
    }
}

fn link_type(header: &PcapHeader) -> Linktype {
    // The upper bits say whether and how long a checksum follows each packet.
    Linktype(header.network.0 & 0x03ff_ffff)
}

fn look_at_block(
    block: &Block<'_>,
    interfaces: &mut Vec<Interface>,
    start: &mut Option<RecordStart>,
    time: &mut u64,
    offset: u64,
    counts: &mut Counts,
) -> At {
    match block {
        Block::SectionHeader(section) => {
            interfaces.clear();
            *start = Some(RecordStart::Block { is_big_endian: section.big_endian() });
            At::Next
        }
        Block::InterfaceDescription(described) => {
            if interfaces.len() == INTERFACES {
                return At::Damage("there are too many interfaces");
            }
            let resolution = described.ts_resolution().unwrap_or(1_000_000);
            interfaces.push(Interface::new(described.linktype, resolution, described.ts_offset()));
            At::Next
        }
        Block::EnhancedPacket(packet) => {
            let Some(interface) = interfaces.get(packet.if_id as usize) else {
                return At::Damage("its interface is not described");
            };
            *time = interface.time(u64::from(packet.ts_high) << 32 | u64::from(packet.ts_low));
            look(*interface, *time, packet.packet_data(), offset, counts)
        }
        Block::SimplePacket(packet) => match interfaces.first() {
            Some(interface) => look(*interface, *time, packet.packet_data(), offset, counts),
            None => At::Damage("its interface is not described"),
        },
        _ => At::Next,
    }
}

fn look(interface: Interface, at: u64, frame: &[u8], offset: u64, counts: &mut Counts) -> At {
    counts.records += 1;
    let inside = interface.link.map_or(Inside::Other, |link| link.inside(frame));
    let packet = match inside {
        Inside::Ip(packet) => segment::read(packet),
        Inside::Other => Packet::Other,
        Inside::CutShort => Packet::CutShort,
    };
    match packet {
        Packet::Tells(..) if at > LATEST => counts.damage(offset, IMPOSSIBLE_TIME),
        Packet::Tells(flow, seen) => return At::Observation(Observation { at, flow, seen }),
        Packet::Silent => {}
        Packet::Other => counts.other += 1,
        Packet::Fragment => counts.fragments += 1,
        Packet::CutShort => counts.cut_short += 1,
        Packet::Damaged(what) => counts.damage(offset, what),
    }
    At::Next
}
