//! Each way in which a connection ends does to both ends of the NAT box what it claims, where nothing limits.

#![allow(clippy::unwrap_used, reason = "a test states what it expects by unwrapping")]

use std::collections::HashSet;

use testkit::endings::{Moment, WAYS, churn};
use testkit::nat::{EntryState, most_at_once};
use testkit::{Kind, Lab, Segment, Side, WORLD_V4, require_lab};

const FIN_ACK: u8 = 0x11;

#[test]
fn each_way_leaves_what_it_claims() {
    require_lab!();
    let lab = Lab::builder().nat().build().unwrap();
    let mut wrong = Vec::new();
    for way in WAYS {
        let mut open_at_first = None;
        let watched = &mut |Moment { after, seen, .. }: Moment| {
            eprintln!("{way:?}: {after}: {seen:?}");
            open_at_first.get_or_insert(seen.is_open());
            Ok(())
        };
        if let Err(error) = way.walk(&lab, lab.cgroup(), watched) {
            wrong.push(format!("{way:?}: {error}"));
        }
        // The two that a limit never has to count.
        assert_eq!(open_at_first == Some(false), ["accepted", "refused"].contains(&way.name), "{way:?}");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(WAYS.map(|way| way.name).into_iter().collect::<HashSet<_>>().len(), WAYS.len());
}

#[test]
fn forged_segments_reach_the_client_or_leave_it() {
    require_lab!();
    let lab = Lab::builder().nat().build().unwrap();
    let from_far = |segment: &Segment| segment.from.ip() == WORLD_V4;
    let from_client = |segment: &Segment| segment.to.ip() == WORLD_V4;
    for (name, is_forged, of_kind, in_all) in [
        ("forged RST of the far end, then close", from_far as fn(&Segment) -> bool, Kind::Reset, 1),
        ("forged RST of the client, then close", from_client, Kind::Reset, 1),
        // The connection ends by a FIN of each.
        ("forged FIN of the far end, then close", from_far, Kind::Later(FIN_ACK), 2),
        ("forged FIN of the client, then close", from_client, Kind::Later(FIN_ACK), 2),
    ] {
        let way = WAYS.into_iter().find(|way| way.name == name).unwrap();
        let capture = lab.capture_every_segment(Side::Client).unwrap();
        way.walk(&lab, lab.cgroup(), &mut |_| Ok(())).unwrap();
        let captured = capture.finish().unwrap();
        let forged = |segment: &&Segment| is_forged(segment) && segment.kind == of_kind;
        let found = captured.whole().iter().filter(forged).count();
        assert_eq!(found, in_all, "{name}: {:?}", captured.segments);
    }
}

#[test]
fn all_ways_at_once_leave_no_open_connection() {
    require_lab!();
    let lab = Lab::builder().nat().build().unwrap();
    let mut journal = lab.nat().unwrap().journal().unwrap();
    let churned = churn(&lab, lab.cgroup(), 4, 8);
    assert!(churned.failed.is_empty(), "{:?}", churned.failed);
    assert_eq!(churned.ended, 4 * WAYS.len());
    let sockets = lab.client().tcp_sockets().unwrap();
    let open: Vec<_> = sockets.iter().filter(|socket| !socket.remembered).collect();
    assert!(open.is_empty(), "{open:?}");
    // Those of whose end the NAT box hears nothing it takes for open.
    let (events, silent) = (journal.events().unwrap(), 3 * 4);
    let most = most_at_once(events, EntryState::is_open, |_| true);
    assert!((silent..=silent + 8).contains(&most), "{most} at once");
}
