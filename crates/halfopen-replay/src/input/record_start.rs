//! Where a record of a capture may begin, to go on after a damaged one.

use pcap_parser::PcapHeader;

/// libpcap's largest packet.
const LONGEST_PACKET: u32 = 1 << 18;
/// No interface has larger ones, of which a capture keeps the beginning.
const LONGEST_ORIGINAL: u32 = 1 << 20;
/// Of a packet with its options, and of what else there is.
const LONGEST_PACKET_BLOCK: u32 = 1 << 20;
const LONGEST_BLOCK: u32 = 1 << 24;
/// Packets that follow each other in a capture are hardly ever further apart.
const APART_S: u64 = 86_400;
/// None are this far apart.
const FAR_S: u64 = 10 * 365 * 86_400;
/// A packet has at least the header of its link layer, or of IP.
const SHORTEST_PACKET: u32 = 14;
const NS: u64 = 1_000_000_000;
const SECTION: u32 = 0x0a0d_0d0a;
const BLOCK_TYPES: [u32; 8] = [1, 2, 3, 4, 5, 6, 0x0bad, SECTION];
const PACKETS: [u32; 3] = [2, 3, 6];

/// The form of records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RecordStart {
    /// pcapng's blocks.
    Block { is_big_endian: bool },
    /// pcap's packets.
    Packet { is_big_endian: bool, header: usize, ticks: u32 },
}

/// Whether a record begins somewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Begins {
    Yes,
    No,
    /// More bytes are needed to tell.
    MayBe,
}

impl RecordStart {
    pub fn of(header: &PcapHeader) -> Self {
        Self::Packet {
            is_big_endian: header.is_bigendian(),
            header: if header.is_modified_format() { 24 } else { 16 },
            ticks: if header.is_nanosecond_precision() { 1_000_000_000 } else { 1_000_000 },
        }
    }

    fn word(self, data: &[u8], at: usize) -> Option<u32> {
        let (Self::Block { is_big_endian } | Self::Packet { is_big_endian, .. }) = self;
        let bytes = data.get(at..at + 4)?.try_into().ok()?;
        Some(if is_big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
    }

    /// Whether the record at the beginning of `data`, which is `all` that is left, or not, may be one: its length and time
    /// are possible. The last one was at `time`, in nanoseconds since the epoch. Of two that are far apart, the one that is
    /// far from the next is damaged.
    pub fn is_possible(self, data: &[u8], all: bool, time: u64) -> Begins {
        match self {
            Self::Packet { header, ticks, .. } => {
                let has = |at, wrong: &dyn Fn(u32) -> bool| self.word(data, at).is_some_and(wrong);
                let is_long = |length| {
                    length > LONGEST_PACKET || self.word(data, 12).is_some_and(|whole| length > whole)
                };
                if has(4, &|tick| tick >= ticks) || has(8, &is_long) {
                    return Begins::No;
                }
                let (Some(second), Some(captured)) = (self.word(data, 0), self.word(data, 8)) else {
                    return Begins::Yes;
                };
                if time == 0 || u64::from(second).abs_diff(time / NS) <= FAR_S {
                    return Begins::Yes;
                }
                match self.word(data, header + captured as usize) {
                    Some(next) if u64::from(next.abs_diff(second)) < APART_S => Begins::Yes,
                    None if !all => Begins::MayBe,
                    _ => Begins::No,
                }
            }
            // The header of a section may be in another order.
            Self::Block { .. } => match (self.word(data, 0), self.word(data, 4)) {
                (Some(kind), Some(length)) if kind != SECTION && is_impossible(kind, length) => Begins::No,
                _ => Begins::Yes,
            },
        }
    }

    /// Whether a record begins at the beginning of `data`, which is `all` that is left, or not. The last one was at
    /// `time`, in nanoseconds since the epoch.
    pub fn begins(self, data: &[u8], all: bool, time: u64) -> Begins {
        let more = if all { Begins::No } else { Begins::MayBe };
        match self {
            Self::Block { .. } => {
                let (Some(kind), Some(length)) = (self.word(data, 0), self.word(data, 4)) else {
                    return more;
                };
                if !BLOCK_TYPES.contains(&kind) || is_impossible(kind, length) {
                    return Begins::No;
                }
                match self.word(data, length as usize - 4) {
                    Some(again) if again == length => Begins::Yes,
                    Some(_) => Begins::No,
                    None => more,
                }
            }
            Self::Packet { header, .. } => {
                let Some(captured) = self.captured(data, time) else {
                    return if data.len() < header { more } else { Begins::No };
                };
                match data.get(header + captured..) {
                    Some([]) if all => Begins::Yes,
                    Some(next) if next.len() >= header => {
                        if self.captured(next, time).is_some() {
                            Begins::Yes
                        } else {
                            Begins::No
                        }
                    }
                    _ => more,
                }
            }
        }
    }

    /// The length of the packet whose header is plausible.
    fn captured(self, data: &[u8], time: u64) -> Option<usize> {
        let Self::Packet { header, ticks, .. } = self else { return None };
        data.get(..header)?;
        let word = |at| self.word(data, at);
        let (second, tick, captured, original) = (word(0)?, word(4)?, word(8)?, word(12)?);
        let is_near = time == 0 || u64::from(second).abs_diff(time / NS) < APART_S;
        let fits = (SHORTEST_PACKET..=LONGEST_PACKET).contains(&captured)
            && (captured..=LONGEST_ORIGINAL).contains(&original);
        (is_near && tick < ticks && fits).then_some(captured as usize)
    }
}

/// Whether no block of this type has this length.
fn is_impossible(kind: u32, length: u32) -> bool {
    let longest = if PACKETS.contains(&kind) { LONGEST_PACKET_BLOCK } else { LONGEST_BLOCK };
    !(12..=longest).contains(&length) || !length.is_multiple_of(4)
}
