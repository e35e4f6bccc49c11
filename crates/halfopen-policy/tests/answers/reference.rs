//! What a DNS library finds in an answer.

use domain::base::iana::{Class, Opcode, Rcode, Rtype};
use domain::base::name::ToName;
use domain::base::{Message, Name, Question};
use domain::rdata::{A, Aaaa, Cname};
use halfopen_policy::answer::Named;
use std::net::{Ipv4Addr, Ipv6Addr};

/// What `bytes` names as an answer to `question`; `None` where it is no whole answer to it.
pub fn read(bytes: &[u8], question: &[u8]) -> Option<Vec<Named>> {
    let message = Message::from_octets(bytes).ok()?;
    let header = message.header();
    let whole =
        header.qr() && header.opcode() == Opcode::QUERY && !header.tc() && header.rcode() == Rcode::NOERROR;
    let asked = message.sole_question().ok().filter(|_| whole)?;
    let answered = on_the_wire(&asked)?;
    let (answered, kind) = answered.split_at(answered.len() - 4);
    let (expected, rest) = question.split_at_checked(answered.len())?;
    if !answered.eq_ignore_ascii_case(expected) || !rest.starts_with(kind) {
        return None;
    }
    let mut name: Name<Vec<u8>> = asked.qname().to_name();
    let mut named = Vec::new();
    for record in message.answer().ok()? {
        let record = record.ok()?;
        if record.class() != Class::IN || record.owner() != name {
            continue;
        }
        let address = match record.rtype() {
            Rtype::CNAME => {
                name = record.to_record::<Cname<_>>().ok()??.data().cname().to_name();
                continue;
            }
            kind if kind != asked.qtype() || asked.qclass() != Class::IN => continue,
            Rtype::A => record.to_record::<A>().ok()??.data().addr().to_ipv6_mapped(),
            Rtype::AAAA => record.to_record::<Aaaa>().ok()??.data().addr(),
            _ => continue,
        };
        // RFC 2181, 8.
        let ttl = i32::try_from(record.ttl().as_secs()).map_or(0, i32::cast_unsigned);
        if may_be_named(address) {
            named.push((address, ttl));
        }
    }
    for section in [message.authority(), message.additional()] {
        section.ok()?.try_for_each(|record| record.map(drop)).ok()?;
    }
    Some(named)
}

fn on_the_wire<N: ToName>(question: &Question<N>) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    question.qname().compose(&mut bytes).ok()?;
    question.qtype().compose(&mut bytes).ok()?;
    question.qclass().compose(&mut bytes).ok()?;
    Some(bytes)
}

/// As the standard library tells kinds of addresses apart.
fn may_be_named(address: Ipv6Addr) -> bool {
    let v4 =
        |v4: Ipv4Addr| v4.octets()[0] != 0 && !v4.is_loopback() && !v4.is_multicast() && v4.octets()[0] < 240;
    let v6 = |v6: Ipv6Addr| !v6.is_unspecified() && !v6.is_loopback() && !v6.is_multicast();
    address.to_ipv4_mapped().map_or_else(|| v6(address), v4)
}
