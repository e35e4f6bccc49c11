//! What a name is worth: a program that dials names next to a scanner in its own account, and a scanner with a zone.

use crate::attacks::{accomplices, attack, dead};
use crate::limiter::adaptive;
use crate::outcome::{longest, median};
use crate::run::{run, run_named};
use halfopen_policy::FirstContact;
use std::collections::HashSet;
use std::net::Ipv4Addr;
use std::time::Duration;
use testkit::workload::{Dial, Pace, Peer, Stream, Workload};

const RESOURCES: u32 = 30;
const SCANNED: u32 = 2_000;

fn addresses(dials: &[Dial]) -> HashSet<Ipv4Addr> {
    dials.iter().map(|dial| dial.to).collect()
}

fn scan(of: Vec<Dial>) -> Stream {
    Stream { dials: of, pace: Pace::Threads(128), patience: Some(Duration::from_secs(5)) }
}

/// A page of thirty names, each address dialled for the first time, in an account whose credit a scanner spends.
fn page_beside_a_scanner() -> (Workload, Vec<Dial>) {
    let page = accomplices(RESOURCES, 1);
    let begins = vec![Duration::from_secs(10); page.len()];
    let page_stream = Stream { dials: page.clone(), pace: Pace::At(begins), patience: None };
    (attack("page", vec![scan(dead(SCANNED)), page_stream]), page)
}

fn waits(workload: &Workload, named: HashSet<Ipv4Addr>) -> Vec<Duration> {
    let outcome = run_named(workload, &adaptive(), named);
    let waits = outcome.waits(|one| one.peer == Peer::Stranger);
    println!("{} of {RESOURCES}, {:?} / {:?}", waits.len(), median(&waits), longest(&waits));
    waits
}

#[test]
fn who_dials_names_is_not_held_up_by_a_scanner_in_its_account() {
    let (workload, page) = page_beside_a_scanner();
    let named = waits(&workload, addresses(&page));
    assert_eq!(named.len(), page.len());
    // The round trip, and no wait.
    assert!(longest(&named) < Duration::from_millis(25), "{:?}", longest(&named));
    // By addresses that no answer named it waits behind the scan, until their answers have earned enough.
    let unnamed = waits(&workload, HashSet::new());
    assert!(unnamed.len() < page.len() || longest(&unnamed) > Duration::from_secs(1));
}

#[test]
fn a_zone_of_its_own_gains_a_scanner_one_credit_bucket() {
    let scanned = dead(SCANNED);
    let (named, others) = scanned.split_at(scanned.len() / 2);
    let plain = run(&attack("plain", vec![scan(scanned.clone())]), &adaptive()).dead();
    let all_named =
        run_named(&attack("named", vec![scan(scanned.clone())]), &adaptive(), addresses(&scanned));
    let both = attack("both", vec![scan(named.to_vec()), scan(others.to_vec())]);
    let both = run_named(&both, &adaptive(), addresses(named)).dead();
    println!("{plain} dead unnamed, {} named, {both} both", all_named.dead());
    // What the credit bucket holds at the beginning, and no more for long: whoever owns a zone, or uses one that answers with
    // the address spelt in the name.
    let bucket = 2 * FirstContact::adaptive().credit as usize;
    assert!(all_named.dead() <= bucket + 10, "{} named", all_named.dead());
    assert!(both <= plain + bucket + 10, "{both} against {plain}");
}
