//! Which ports share their evidence.

use halfopen_policy::PortCell;
use std::collections::{BTreeSet, HashMap};

/// No port outside of a group shares a cell with it, whatever the account.
const GROUPS: [&[u16]; 9] = [
    &[443],
    &[80],
    &[25, 53, 110, 143, 465, 587, 853, 993, 995],
    &[22, 2222],
    &[23, 2323],
    &[135, 137, 139, 445],
    &[3389, 5900, 5901],
    &[1433, 1521, 3306, 5432, 6379, 9200, 11211, 27017],
    &[21, 2375, 5555, 7547, 8080, 8291, 8443, 37215, 52869],
];

#[test]
fn ports_that_worms_ask_for_share_a_cell_with_no_others() {
    let group_of: HashMap<u16, usize> =
        GROUPS.iter().enumerate().flat_map(|(at, ports)| ports.iter().map(move |port| (*port, at))).collect();
    for account in [0, 1, 0x1234_5678_9abc_def0] {
        let mut others = BTreeSet::new();
        for port in 0..=u16::MAX {
            let cell = PortCell::of(account, port);
            match group_of.get(&port) {
                Some(group) => assert_eq!(usize::from(cell.number()), *group, "port {port}"),
                None => {
                    others.insert(cell.number());
                }
            }
            let takes_names = group_of.get(&port).is_some_and(|group| *group < 3);
            assert_eq!(cell.takes_names(), takes_names, "port {port}");
        }
        let all: BTreeSet<u8> = (GROUPS.len() as u8..PortCell::COUNT).collect();
        assert_eq!(others, all, "the others share all that is left");
    }
}

#[test]
fn which_of_the_other_ports_share_a_cell_differs_from_account_to_account() {
    let alike = |one, other| {
        (40_000..50_000).filter(|port| PortCell::of(one, *port) == PortCell::of(other, *port)).count()
    };
    assert_eq!(alike(1, 1), 10_000);
    let least = 10_000 / usize::from(PortCell::COUNT);
    for other in 2..20 {
        assert!((least / 2..5_000).contains(&alike(1, other)), "{} alike", alike(1, other));
    }
}
