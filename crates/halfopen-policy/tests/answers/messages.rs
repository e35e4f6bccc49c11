//! Answers as servers send them, and changes to their bytes.

use domain::base::iana::{Class, Rtype};
use domain::base::message_builder::{HashCompressor, StaticCompressor, TreeCompressor};
use domain::base::wire::Composer;
use domain::base::{MessageBuilder, Name, Ttl, UnknownRecordData};
use domain::rdata::{A, Aaaa, Cname, Ns};
use halfopen_policy::answer::Named;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use std::fmt::Debug;
use std::net::{Ipv4Addr, Ipv6Addr};

/// A message on the wire, and the question that it answers, in the client's spelling.
#[derive(Debug, Clone)]
pub struct Message {
    pub bytes: Vec<u8>,
    pub question: Vec<u8>,
}

/// How names are compressed.
#[derive(Debug, Clone, Copy)]
enum Compression {
    None,
    Static,
    Tree,
    Hash,
}

#[derive(Debug, Clone)]
enum Noise {
    Text(Vec<u8>),
    Address(u32),
    NameServer(String),
    OtherCname(String),
}

/// What is answered.
#[derive(Debug, Clone)]
pub struct Scene {
    /// The name that is asked for, and from CNAME to CNAME the one that has the addresses.
    chain: Vec<String>,
    is_v6: bool,
    addresses: Vec<(u128, u32)>,
    /// Beside the answer, by place; owners are a name that the chain lacks.
    noise: Vec<(Index, Noise)>,
    authority: Vec<String>,
    glue: Vec<u32>,
    edns: bool,
    compression: Compression,
    /// The server's spelling of the question is the client's in capitals.
    shouts: bool,
}

const ELSEWHERE: &str = "elsewhere.test.";

fn name() -> impl Strategy<Value = String> {
    let label =
        select(vec!["a", "b", "www", "cdn", "Example", "com", "net", "x-1", "edge", "\\000", "\\200\\192"]);
    let long = (1_usize..=63).prop_map(|length| "l".repeat(length));
    let label = prop_oneof![8 => label.prop_map(ToOwned::to_owned), 1 => long];
    vec(label, 1..6)
        .prop_map(|labels| labels.join(".") + ".")
        .prop_filter("too long", |name| name.parse::<Name<Vec<u8>>>().is_ok())
}

fn noise() -> impl Strategy<Value = Noise> {
    prop_oneof![
        vec(any::<u8>(), 0..40).prop_map(Noise::Text),
        any::<u32>().prop_map(Noise::Address),
        name().prop_map(Noise::NameServer),
        name().prop_map(Noise::OtherCname),
    ]
}

/// Answers that are read whole.
pub fn scene() -> impl Strategy<Value = Scene> {
    let address = (prop_oneof![any::<u128>(), Just(1), Just(0), Just(0xffff_7f00_0001)], any::<u32>());
    let addresses = prop_oneof![9 => vec(address.clone(), 0..12), 1 => vec(address, 60..100)];
    let compression =
        select(vec![Compression::None, Compression::Static, Compression::Tree, Compression::Hash]);
    let extra = (vec((any::<Index>(), noise()), 0..4), vec(name(), 0..4), vec(any::<u32>(), 0..4));
    (vec(name(), 1..5), any::<bool>(), addresses, extra, any::<bool>(), compression, any::<bool>())
        .prop_map(|(chain, is_v6, addresses, extra, edns, compression, shouts)| {
            let (noise, authority, glue) = extra;
            Scene { chain, is_v6, addresses, noise, authority, glue, edns, compression, shouts }
        })
        .prop_filter("too long", |scene| scene.message().bytes.len() <= super::MESSAGE_MOST)
}

fn parsed(name: &str) -> Name<Vec<u8>> {
    name.parse().expect("the strategy makes names only")
}

impl Scene {
    /// What it names, told by how it was made.
    pub fn expected(&self) -> Vec<Named> {
        let mapped = |address: u128| {
            if self.is_v6 {
                Ipv6Addr::from_bits(address)
            } else {
                Ipv4Addr::from_bits(address as u32).to_ipv6_mapped()
            }
        };
        let all = self
            .addresses
            .iter()
            .map(|&(address, ttl)| (mapped(address), if ttl >> 31 == 1 { 0 } else { ttl }));
        all.filter(|(address, _)| {
            let v6 = !address.is_unspecified() && !address.is_loopback() && !address.is_multicast();
            address.to_ipv4_mapped().map_or(v6, |v4| !matches!(v4.octets()[0], 0 | 127 | 224..))
        })
        .collect()
    }

    pub fn message(&self) -> Message {
        let bytes = match self.compression {
            Compression::None => self.compose(Vec::new()),
            Compression::Static => self.compose(StaticCompressor::new(Vec::new())).into_target(),
            Compression::Tree => self.compose(TreeCompressor::new(Vec::new())).into_target(),
            Compression::Hash => self.compose(HashCompressor::new(Vec::new())).into_target(),
        };
        let mut question = parsed(&self.chain[0]).as_slice().to_vec();
        question.extend(self.qtype().to_int().to_be_bytes());
        question.extend([0, 1]);
        Message { bytes, question }
    }

    fn qtype(&self) -> Rtype {
        if self.is_v6 { Rtype::AAAA } else { Rtype::A }
    }

    fn compose<T: Composer>(&self, target: T) -> T {
        let fits = "the strategy bounds what is built";
        let ttl = Ttl::from_secs(60);
        let mut builder =
            MessageBuilder::from_target(target).unwrap_or_else(|_| unreachable!("a message may begin"));
        builder.header_mut().set_qr(true);
        let mut builder = builder.question();
        let asked = &self.chain[0];
        let spelt = if self.shouts { asked.to_ascii_uppercase() } else { asked.clone() };
        builder.push((parsed(&spelt), self.qtype())).expect(fits);
        let mut builder = builder.answer();
        let links = self.chain.len() - 1;
        let in_all = links + self.addresses.len();
        for at in 0..=in_all {
            for (_, noise) in self.noise.iter().filter(|(place, _)| place.index(in_all + 1) == at) {
                let owner = parsed(ELSEWHERE);
                match noise {
                    Noise::Text(bytes) => {
                        let data = UnknownRecordData::from_octets(Rtype::TXT, bytes.clone()).expect(fits);
                        builder.push((owner, Class::IN, ttl, data)).expect(fits);
                    }
                    Noise::Address(bits) => {
                        builder
                            .push((owner, Class::IN, ttl, A::new(Ipv4Addr::from_bits(*bits))))
                            .expect(fits);
                    }
                    Noise::NameServer(name) => {
                        builder.push((owner, Class::IN, ttl, Ns::new(parsed(name)))).expect(fits);
                    }
                    Noise::OtherCname(name) => {
                        builder.push((owner, Class::IN, ttl, Cname::new(parsed(name)))).expect(fits);
                    }
                }
            }
            if at < links {
                let target = Cname::new(parsed(&self.chain[at + 1]));
                builder.push((parsed(&self.chain[at]), Class::IN, ttl, target)).expect(fits);
            } else if let Some(&(address, ttl)) = self.addresses.get(at - links) {
                let (owner, ttl) = (parsed(&self.chain[links]), Ttl::from_secs(ttl));
                if self.is_v6 {
                    builder
                        .push((owner, Class::IN, ttl, Aaaa::new(Ipv6Addr::from_bits(address))))
                        .expect(fits);
                } else {
                    let address = A::new(Ipv4Addr::from_bits(address as u32));
                    builder.push((owner, Class::IN, ttl, address)).expect(fits);
                }
            }
        }
        let mut builder = builder.authority();
        for server in &self.authority {
            builder.push((parsed(asked), Class::IN, ttl, Ns::new(parsed(server)))).expect(fits);
        }
        let mut builder = builder.additional();
        for bits in &self.glue {
            builder.push((parsed(asked), Class::IN, ttl, A::new(Ipv4Addr::from_bits(*bits)))).expect(fits);
        }
        if self.edns {
            builder
                .opt(|opt| {
                    opt.set_udp_payload_size(4096);
                    Ok(())
                })
                .expect(fits);
        }
        builder.finish()
    }
}

/// A change to a message.
#[derive(Debug, Clone)]
pub enum Edit {
    Set(Index, u8),
    /// Another bit pattern, such as a letter's case.
    Flip(Index, u8),
    /// A pointer to wherever.
    Point(Index, Index),
    /// The header's word of that number.
    Header(u8, u8),
    Remove(Index, u8),
    Repeat(Index, u8),
}

pub fn edit() -> impl Strategy<Value = Edit> {
    prop_oneof![
        (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Edit::Set(at, byte)),
        (any::<Index>(), select(vec![1, 2, 4, 0x20, 0x40, 0x80])).prop_map(|(at, bits)| Edit::Flip(at, bits)),
        (any::<Index>(), any::<Index>()).prop_map(|(at, to)| Edit::Point(at, to)),
        (1_u8..6, 0_u8..5).prop_map(|(word, value)| Edit::Header(word, value)),
        (any::<Index>(), 1_u8..20).prop_map(|(at, count)| Edit::Remove(at, count)),
        (any::<Index>(), 1_u8..40).prop_map(|(at, count)| Edit::Repeat(at, count)),
    ]
}

impl Edit {
    pub fn apply(&self, bytes: &mut Vec<u8>) {
        let (Self::Set(at, _)
        | Self::Flip(at, _)
        | Self::Point(at, _)
        | Self::Remove(at, _)
        | Self::Repeat(at, _)) = self
        else {
            if let Self::Header(word, value) = self
                && let Some(byte) = bytes.get_mut(usize::from(*word) * 2 + 1)
            {
                *byte = *value;
            }
            return;
        };
        if bytes.is_empty() {
            return;
        }
        let at = at.index(bytes.len());
        let end = |count: &u8| bytes.len().min(at + usize::from(*count));
        match self {
            Self::Set(_, byte) => bytes[at] = *byte,
            Self::Flip(_, bits) => bytes[at] ^= bits,
            Self::Point(_, to) => {
                let to = to.index(bytes.len()) as u16 | 0xc000;
                let end = bytes.len().min(at + 2);
                bytes[at..end].copy_from_slice(&to.to_be_bytes()[..end - at]);
            }
            Self::Remove(_, count) => drop(bytes.drain(at..end(count))),
            Self::Repeat(_, count) => {
                let again = bytes[at..end(count)].to_vec();
                bytes.splice(at..at, again);
                bytes.truncate(super::MESSAGE_MOST);
            }
            Self::Header(..) => {}
        }
    }
}
