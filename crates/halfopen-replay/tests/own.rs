//! halfopen's own recordings: what is written is read, whatever becomes of the file, and programs have their accounts.

#![allow(clippy::unwrap_used)]

mod recording;

use halfopen_policy::{FirstContact, Limits};
use halfopen_replay::trace::{
    Attempt, Ended, HEADER, Header, LONGEST_NAME, Next, Outcome, Program, Record, Sent, decode, encoded, next,
};
use halfopen_replay::{Accounts, Address, Flow, Options, Policy, Replay, Replayed, Seen};
use proptest::prelude::*;
use recording::own::{S, US, attempt, file, program};
use recording::{SECOND, ZERO, input, policy, read, zstd};
use std::net::{IpAddr, Ipv6Addr};

fn address() -> impl Strategy<Value = Address> {
    prop_oneof![
        any::<[u8; 4]>().prop_map(IpAddr::from),
        any::<u128>().prop_map(|bits| Ipv6Addr::from(bits).into())
    ]
    .prop_map(Address::from)
}

fn any_attempt() -> impl Strategy<Value = Record> {
    let sent = proptest::option::of((any::<u64>(), 1..=u32::MAX, any::<u64>()))
        .prop_map(|sent| sent.map(|(after, syns, last_after)| Sent { after, syns, last_after }));
    let flow = (address(), address(), any::<(u16, u16)>())
        .prop_map(|(from, to, (from_port, to_port))| Flow { from, to, from_port, to_port });
    let outcome = proptest::sample::select(Outcome::ALL.to_vec());
    (any::<(u32, u64, u64)>(), flow, sent, outcome).prop_map(
        |((program, began, lasted), flow, sent, outcome)| {
            Record::Attempt(Attempt { program, began, flow, sent, lasted, outcome })
        },
    )
}

fn any_record() -> impl Strategy<Value = Record> {
    let names = ("\\PC{0,40}", any::<u32>(), "\\PC{0,40}", "\\PC{0,40}");
    let program = names.prop_map(|(name, uid, cgroup, runs_in)| Program { name, uid, cgroup, runs_in });
    let ended = proptest::sample::select(vec![Ended::Asked, Ended::Time, Ended::Full]);
    prop_oneof![
        (any::<u32>(), program).prop_map(|(number, program)| Record::Program(number, program)),
        any_attempt(),
        any::<u64>().prop_map(Record::Lost),
        ended.prop_map(Record::End),
    ]
}

/// The records of a file, one after the other.
fn records(mut rest: &[u8]) -> Vec<Record> {
    let mut all = Vec::new();
    while let Next::Whole(content, length) = next(rest) {
        all.push(decode(content).unwrap());
        rest = &rest[length..];
    }
    assert_eq!(rest.len(), 0);
    all
}

proptest! {
    #[test]
    fn what_is_written_is_read(written in proptest::collection::vec(any_record(), 0..20)) {
        prop_assert_eq!(records(&file(&written)[HEADER..]), written);
    }

    #[test]
    fn any_damage_is_counted_and_the_rest_is_read(at in HEADER..1_000_usize, to in any::<u8>()) {
        let whole: Vec<Record> =
            (0..40).map(|number| Record::Attempt(attempt(0, number * S, number as u32, Outcome::Silent))).collect();
        let whole = file(&whole);
        let (all, _) = read(whole.clone());
        let at = at.min(whole.len() - 1);
        let mut damaged = whole.clone();
        prop_assume!(damaged[at] != to);
        damaged[at] = to;
        let (found, counts) = read(damaged);
        // The damaged one is missing, and no other.
        prop_assert_eq!(counts.damaged + u64::from(counts.is_cut_off), 1);
        prop_assert_eq!(counts.records, 39);
        prop_assert!(found.iter().all(|seen| all.iter().any(|one| one.flow == seen.flow && one.at == seen.at)));
        if let Some(damage) = counts.damage.first() {
            prop_assert!(damage.offset as usize <= at && at - (damage.offset as usize) < 64);
        }
    }
}

#[test]
fn a_file_that_is_cut_off_anywhere_is_read_up_to_there() {
    let all = [
        program(7, "nmap", "scan.service"),
        Record::Attempt(attempt(7, 0, 1, Outcome::Answered)),
        Record::Attempt(attempt(7, S, 2, Outcome::Reset)),
    ];
    let ends: Vec<usize> = (0..=all.len()).map(|count| file(&all[..count]).len()).collect();
    let whole = file(&all);
    for end in HEADER..=whole.len() {
        let (_, counts) = read(whole[..end].to_vec());
        let complete = ends.iter().filter(|whole| **whole <= end).count();
        assert_eq!(counts.records as usize, complete.saturating_sub(2), "{end}");
        assert_eq!((counts.is_cut_off, counts.damaged), (!ends.contains(&end), 0), "{end}");
    }
    let (found, _) = read(zstd(&whole));
    assert_eq!(found.len(), 4);
}

#[test]
fn a_time_beyond_what_clocks_have_is_damage() {
    let late = |began, lasted| Record::Attempt(Attempt { began, lasted, ..attempt(0, 0, 1, Outcome::Reset) });
    let year_2262 = i64::MAX as u64 / US;
    for (began, lasted) in [(u64::MAX, 1), (0, u64::MAX), (year_2262 - ZERO / US, S)] {
        let plain = Record::Attempt(attempt(0, S, 2, Outcome::Reset));
        let (found, counts) = read(file(&[late(began, lasted), plain]));
        assert_eq!((found.len(), counts.records, counts.damaged), (2, 1, 1), "{began} {lasted}");
        assert_eq!(counts.damage[0].what, "its time is impossible");
    }
    let mut header = file(&[]);
    header[8..HEADER].copy_from_slice(&u64::MAX.to_le_bytes());
    assert_eq!(Header::read(&header), Err("its time is impossible"));
    header[8..HEADER].copy_from_slice(&(i64::MAX as u64).to_le_bytes());
    assert!(Header::read(&header).is_ok());
}

#[test]
fn what_a_later_version_adds_is_skipped() {
    let mut bytes = file(&[]);
    bytes.extend(framed(&[99, 1, 2, 3]));
    let mut longer = content(&encoded(&Record::Attempt(attempt(0, 0, 1, Outcome::Answered)))).to_vec();
    longer.extend([1, 2, 3]);
    bytes.extend(framed(&longer));
    let (found, counts) = read(bytes);
    assert_eq!((found.len(), counts.records, counts.other, counts.damaged), (2, 1, 1, 0));
}

/// A record's content with its length and its checksum, by another way of computing it.
fn framed(content: &[u8]) -> Vec<u8> {
    let mut crc = 0xffff_u16;
    for byte in content {
        let mut x = (crc >> 8) as u8 ^ byte;
        x ^= x >> 4;
        crc = crc << 8 ^ u16::from(x) << 12 ^ u16::from(x) << 5 ^ u16::from(x);
    }
    [&[content.len() as u8], content, &crc.to_be_bytes()].concat()
}

fn content(record: &[u8]) -> &[u8] {
    &record[1..record.len() - 2]
}

#[test]
fn a_name_that_is_too_long_is_cut_between_its_letters() {
    let long = Program { name: "ä".repeat(LONGEST_NAME), ..Program::default() };
    let [Record::Program(_, read)] = &records(&encoded(&Record::Program(0, long)))[..] else { panic!() };
    assert_eq!(read.name, "ä".repeat(LONGEST_NAME / 2));
}

#[test]
fn an_attempt_counts_from_its_connect_without_the_time_that_it_was_held() {
    let held = Attempt {
        sent: Some(Sent { after: 5 * S, syns: 2, last_after: S }),
        lasted: 5 * S + 1_200_000,
        ..attempt(0, 2 * S, 1, Outcome::Answered)
    };
    let refused = attempt(0, 2 * S, 2, Outcome::Refused);
    let all = [program(0, "curl", "shop.service"), Record::Attempt(held), Record::Attempt(refused)];
    let (found, counts) = read(file(&all));
    let seen: Vec<_> = found
        .iter()
        .map(|one| (one.at - ZERO, matches!(one.seen, Seen::SynOf(..)), one.seen == Seen::Answer))
        .collect();
    let (two, three) = (2 * SECOND, 3 * SECOND);
    assert_eq!(seen, [(two, true, false), (three, false, false), (two + 1_200_000_000, false, true)]);
    assert_eq!((counts.limited.refused, counts.records), (1, 2));
}

/// A scanner, and a shop whose peers answer, each in a unit of its own.
fn two_programs() -> Vec<Record> {
    let mut all = vec![program(0, "nmap", "scan.service"), program(1, "curl", "shop.service")];
    for number in 0..600 {
        all.push(Record::Attempt(attempt(0, u64::from(number) * S / 20, number, Outcome::Silent)));
        if number % 3 == 0 {
            all.push(Record::Attempt(attempt(
                1,
                u64::from(number) * S / 20,
                10_000 + number,
                Outcome::Answered,
            )));
        }
    }
    all
}

fn by_unit(limits: Limits) -> Accounts {
    Accounts::new(move |program| Some((program.cgroup.clone(), limits)))
}

fn replayed(policies: Vec<Policy>, records: &[Record]) -> Replayed {
    let mut replay = Replay::new(policies, Options::default());
    replay.read(input(file(records))).unwrap();
    replay.finish()
}

#[test]
fn each_account_has_its_own_credit_and_all_share_the_host() {
    let own = policy("adaptive").own.unwrap();
    assert_eq!(own.first_contact, Some(FirstContact::adaptive()));
    let policies = vec![
        Policy { accounts: Some(by_unit(own)), ..policy("adaptive") },
        Policy { accounts: Some(Accounts::new(move |_| Some(("one".into(), own)))), ..policy("adaptive") },
        policy("xp-sp2"),
    ];
    let all = replayed(policies, &two_programs());
    let waited = |policy: usize, name: &str| {
        let sources = &all.policies[policy].sources;
        let of = sources.iter().find(|of| of.program.as_ref().is_some_and(|program| program.name == name));
        of.map_or(0, |of| of.effect.answered_delayed.over_1s + of.effect.answered_gave_up)
    };
    assert_eq!(waited(0, "curl"), 0, "its own account");
    assert!(waited(1, "curl") > 0, "one account for both: {:?}", all.policies[1]);
    assert!(waited(2, "curl") > 0, "one queue for the host: {:?}", all.policies[2]);
    let scanner = all.policies[0].sources.iter().find(|of| of.suspect.is_some()).unwrap();
    let told = scanner.program.as_ref().unwrap();
    assert_eq!((told.name.as_str(), told.runs_in.as_str()), ("nmap", "unit scan.service"));
    assert_eq!(told.account.as_deref(), Some("/system.slice/scan.service"));
    assert_eq!(all.policies[0].suspects, 1);
    assert_eq!((scanner.recorded.attempts, scanner.recorded.silent), (600, 600));
    assert_eq!(all.recorded.answered, 200);
}
