//! The page is loaded whole by a browser that nobody limits.

#![allow(clippy::unwrap_used, reason = "a test states what it expects by unwrapping")]

use std::collections::HashSet;
use std::net::IpAddr;
use std::time::Duration;

use testkit::page::{NAMES, Page, RESOURCES};
use testkit::{Kind, Lab, Side, Wan, require_lab};

const LIMIT: Duration = Duration::from_mins(1);
const DELAY: Duration = Duration::from_millis(20);

#[test]
fn all_resources_come_from_addresses_of_their_own() {
    require_lab!(page);
    let lab = Lab::builder().wan(Wan { delay: DELAY, loss: 0.0 }).build().unwrap();
    let page = Page::serve(&lab).unwrap();
    let capture = lab.capture(Side::Client).unwrap();
    let loaded = page.load(&lab, lab.cgroup(), LIMIT).unwrap();
    println!("{:?} (process: {:?})", loaded.load, loaded.wall);
    assert_eq!((loaded.resources, loaded.failed), (RESOURCES, 0), "{loaded:?}");
    // A name, a connection and an answer, each a round trip, first for the page and then for what it names.
    let load = loaded.load.unwrap();
    assert!(load >= DELAY * 2 * 4 && load < LIMIT, "{load:?}");

    let served: HashSet<IpAddr> = page.addresses().iter().map(|record| record.address).collect();
    let segments = capture.finish().unwrap().segments;
    let syns = segments.iter().filter(|segment| matches!(segment.kind, Kind::Syn(_)));
    let dialled: HashSet<IpAddr> = syns.map(|syn| syn.to.ip()).collect();
    assert!(dialled.is_subset(&served), "also dialled: {:?}", dialled.difference(&served));
    assert!(dialled.len() >= NAMES, "only {} addresses of {NAMES} names were dialled", dialled.len());
    let asked: HashSet<String> = page.names().asked().unwrap().into_iter().map(|(name, _)| name).collect();
    println!(
        "also asked for: {:?}",
        asked.iter().filter(|name| !name.ends_with(".example")).collect::<Vec<_>>()
    );
    let names: HashSet<String> = page.addresses().iter().map(|record| record.name.clone()).collect();
    assert!(asked.is_superset(&names), "not asked for: {:?}", names.difference(&asked));
}
