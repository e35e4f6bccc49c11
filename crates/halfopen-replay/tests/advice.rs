//! Which `half_open` a recording asks for, and its picture.

#![allow(clippy::unwrap_used)]

mod recording;

use halfopen_picture::{Font, Format};
use halfopen_policy::Limits;
use halfopen_replay::advice::{Enough, advise, beside};
use halfopen_replay::picture::waits;
use halfopen_replay::trace::{Outcome, Record};
use halfopen_replay::{Accounts, Options, Policy, Replay, Replayed};
use recording::own::{S, attempt, file, program};
use recording::{input, policy};
use std::io::Cursor;

const HOURS: u64 = 24;
const PAGE: u32 = 50;
const ENOUGH: Enough = Enough { answered: 1_000, lasted_s: 23 * 3_600 };

/// A browser that opens a page of 50 resources each hour of a day.
fn pages() -> Vec<Record> {
    let mut all = vec![program(0, "browser", "desk.service")];
    for hour in 0..HOURS {
        all.extend((0..PAGE).map(|to| Record::Attempt(attempt(0, hour * 3_600 * S, to, Outcome::Answered))));
    }
    all
}

/// Only `half_open` holds back.
fn limited(half_open: u32) -> Policy {
    let host = Limits { half_open: Some(half_open), ..policy("adaptive").host.unwrap() };
    Policy { host: Some(host), own: None, ..policy("adaptive") }
}

fn advised(policy: &Policy, records: &[Record], enough: Enough) -> Replayed {
    let all = [policy.clone()].into_iter().chain(beside(policy)).collect();
    let mut replay = Replay::new(all, Options::default());
    replay.read(input(file(records))).unwrap();
    let mut replayed = replay.finish();
    advise(&mut replayed, policy, enough);
    replayed
}

#[test]
fn the_lowest_limit_is_advised_with_which_nothing_waits() {
    let replayed = advised(&limited(10), &pages(), ENOUGH);
    assert_eq!(replayed.policies.len(), 1, "those beside are not told");
    assert!(replayed.policies[0].all.answered_delayed.count > 0);
    let advice = replayed.advice.unwrap();
    assert_eq!((advice.half_open_now, advice.answered, advice.held_anyway), (Some(10), 1_200, 0));
    assert!(advice.limits.iter().all(|limit| (limit.half_open, limit.delayed) == (60, 0)), "{advice:?}");
    assert_eq!(advice.recommended, Some(60));
}

#[test]
fn nothing_is_advised_where_it_is_as_it_should_be_or_little_is_known() {
    assert_eq!(advised(&limited(60), &pages(), ENOUGH).advice.unwrap().recommended, None);
    let more = Enough { answered: 1_201, ..ENOUGH };
    assert_eq!(advised(&limited(10), &pages(), more).advice.unwrap().recommended, None);
    let longer = Enough { lasted_s: 24 * 3_600, ..ENOUGH };
    assert_eq!(advised(&limited(10), &pages(), longer).advice.unwrap().recommended, None);
    assert!(advised(&policy("off"), &pages(), ENOUGH).advice.is_none());
}

#[test]
fn nothing_is_loosened_for_a_suspect() {
    let own = policy("adaptive").own.unwrap();
    let host = Limits { half_open: Some(10), ..policy("adaptive").host.unwrap() };
    let accounts = Accounts::new(move |program| Some((program.cgroup.clone(), own)));
    let adaptive = Policy { host: Some(host), accounts: Some(accounts), ..policy("adaptive") };
    let mut records = vec![program(1, "nmap", "scan.service")];
    // One in 400 answers: the suspect's answers are late, whatever half_open is.
    for number in 0..2_000_u32 {
        let outcome = if number % 400 == 399 { Outcome::Answered } else { Outcome::Silent };
        records.push(Record::Attempt(attempt(1, u64::from(number) * S / 20, 1_000 + number, outcome)));
    }
    let advice = advised(&adaptive, &records, ENOUGH).advice.unwrap();
    assert_eq!((advice.suspects, advice.answered), (1, 0), "{advice:?}");
    assert!(advice.limits.iter().all(|limit| (limit.half_open, limit.delayed) == (5, 0)), "{advice:?}");
    assert_eq!(advice.recommended, None);
}

#[test]
fn a_picture_has_a_line_for_each_policy_and_its_steps_add_up() {
    let mut replay =
        Replay::new(vec![limited(10), Policy { name: "<b>".into(), ..policy("xp-sp2") }], Options::default());
    replay.read(input(file(&pages()))).unwrap();
    let replayed = replay.finish();
    for policy in &replayed.policies {
        let steps: u64 = policy.waits.iter().map(|step| step.count).sum();
        assert_eq!(steps, policy.all.delayed.count);
        let last = policy.waits.last().unwrap().up_to_ms;
        assert!((0..=1).contains(&(last - policy.all.delayed.longest_ms)), "{policy:?}");
    }
    let picture = String::from_utf8(waits(&replayed, &Format::Svg).unwrap()).unwrap();
    assert_eq!(picture.matches("stroke-width=\"2\"").count(), 2, "{picture}");
    assert!(picture.contains("&lt;b&gt;") && picture.ends_with("</svg>\n"), "{picture}");

    let file = waits(&replayed, &Format::Png(Font::of_system().unwrap())).unwrap();
    let mut reader = png::Decoder::new(Cursor::new(file)).read_info().unwrap();
    let mut bytes = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut bytes).unwrap();
    assert_eq!((info.width, info.height), (1_640, 880));
    let (pixels, _) = bytes.as_chunks::<3>();
    for colour in [[0x1f, 0x77, 0xb4], [0xd6, 0x27, 0x28]] {
        // The legend begins at the column 1260, and its names after 40 more.
        let columns = |from, to| pixels.chunks(1_640).flat_map(move |row| &row[from..to]);
        let line = columns(0, 1_260).filter(|pixel| **pixel == colour).count();
        let names = columns(1_300, 1_640).filter(|pixel| **pixel != [255; 3]).count();
        assert!(line > 100 && names > 100, "{line} pixels of {colour:02x?}, {names} of names");
    }
}
