//! What the kernel part reads in DNS answers (`bpf/names_parse.h`), held against a DNS library.

#![allow(clippy::unwrap_used, reason = "a test states what it expects by unwrapping")]

mod messages;
mod reference;

use halfopen_policy::answer::{Named, Outcome, Reader};
use messages::{Message, edit, scene};
use proptest::collection::vec;
use proptest::prelude::*;
use std::net::Ipv6Addr;

/// `DNS_MESSAGE_MOST` of bpf/abi.h: longer ones are refused unread.
const MESSAGE_MOST: usize = 4096;

/// Reads `bytes` as an answer to `question`, whatever an earlier message has left in the memory.
fn read(bytes: &[u8], question: &[u8]) -> (Outcome, Vec<Named>) {
    let [one, other] = [0xc0, b'a'].map(|left| Reader::left_full_of(left).read(bytes, question));
    assert_eq!(one, other, "what an earlier message has left matters");
    assert!(one.steps <= Reader::steps_most(), "more steps than are allowed");
    (one.outcome, one.named)
}

fn both(bytes: &[u8], question: &[u8]) -> ((Outcome, Vec<Named>), Option<Vec<Named>>) {
    (read(bytes, question), reference::read(bytes, question))
}

/// Whatever the message, nothing is named that the library would not.
fn never_names_more(bytes: &[u8], question: &[u8]) -> Result<bool, TestCaseError> {
    let ((outcome, ours), theirs) = both(bytes, question);
    match (outcome, theirs) {
        // An alias is followed where an address comes after it: the library looks at the last one too.
        (Outcome::Read, None) => {
            prop_assert!(ours.is_empty(), "named, though the library refuses it: {ours:?}");
        }
        (Outcome::Read, Some(theirs)) => {
            prop_assert_eq!(&ours, &theirs);
            return Ok(!ours.is_empty());
        }
        _ => prop_assert!(ours.is_empty()),
    }
    Ok(false)
}

proptest! {
    #[test]
    fn valid_answers_name_what_the_library_says(scene in scene()) {
        let Message { bytes, question } = scene.message();
        let ((outcome, ours), theirs) = both(&bytes, &question);
        prop_assert_eq!(outcome, Outcome::Read);
        prop_assert_eq!(Some(&ours), theirs.as_ref());
        prop_assert_eq!(ours, scene.expected());
    }

    #[test]
    fn an_answer_to_another_question_names_nothing(scene in scene(), at in any::<prop::sample::Index>(), change in 1_u8..) {
        let Message { bytes, mut question } = scene.message();
        let at = at.index(question.len());
        question[at] ^= change;
        let (outcome, named) = read(&bytes, &question);
        // 0x20: a letter's case is no other question.
        let only_case = change == 0x20 && question[at].is_ascii_alphabetic();
        prop_assert!(only_case || (outcome == Outcome::OtherQuestion && named.is_empty()), "{:?} {:?}", outcome, named);
    }

    #[test]
    fn a_message_cut_short_or_gone_on_names_nothing(scene in scene(), at in any::<prop::sample::Index>(), more in vec(any::<u8>(), 1..20)) {
        let Message { bytes, question } = scene.message();
        let cut = &bytes[..at.index(bytes.len())];
        prop_assert!(!matches!(read(cut, &question), (Outcome::Read, _)));
        prop_assert!(!matches!(read(&[&bytes[..], &more].concat(), &question), (Outcome::Read, _)));
    }

    #[test]
    fn changed_messages_never_name_more_than_the_library_says(scene in scene(), edits in vec(edit(), 1..5)) {
        let Message { mut bytes, question } = scene.message();
        for edit in &edits {
            edit.apply(&mut bytes);
        }
        never_names_more(&bytes, &question)?;
    }

    #[test]
    fn arbitrary_bytes_never_name_more_than_the_library_says(
        bytes in vec(prop_oneof![Just(0_u8), Just(0xc0), Just(1), Just(12), any::<u8>()], 0..600),
        question in vec(any::<u8>(), 0..259),
    ) {
        never_names_more(&bytes, &question)?;
    }
}

/// Not arbitrary bytes only: these are mostly well-formed, so some of them must still name something.
#[test]
fn changes_leave_enough_messages_that_name_something() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let mut named = 0;
    for _ in 0..1_000 {
        let case = (scene(), vec(edit(), 1..5)).new_tree(&mut runner).unwrap();
        let (scene, edits) = case.current();
        let Message { mut bytes, question } = scene.message();
        for edit in &edits {
            edit.apply(&mut bytes);
        }
        named += u32::from(never_names_more(&bytes, &question).unwrap());
    }
    assert!(named > 100, "of 1000 changed messages {named} name something: the comparison says little");
}

/// For a longer run by hand: `NAMES_CASES=20000000 cargo test --release -p halfopen-policy --test answers -- --ignored`.
#[test]
#[ignore = "as long as NAMES_CASES says: run by hand"]
fn many_changed_messages_never_name_more_than_the_library_says() {
    use proptest::test_runner::{Config, TestRunner};
    let cases = std::env::var("NAMES_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(1_000_000);
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new(config);
    let named = std::cell::Cell::new(0_u64);
    let outcome = runner.run(&(scene(), vec(edit(), 0..8)), |(scene, edits)| {
        let Message { mut bytes, question } = scene.message();
        for edit in &edits {
            edit.apply(&mut bytes);
        }
        named.set(named.get() + u64::from(never_names_more(&bytes, &question)?));
        Ok(())
    });
    outcome.unwrap();
    println!("{cases} messages, of which {} named something", named.get());
}

fn header(answers: u16) -> Vec<u8> {
    let mut bytes = vec![0, 7, 0x81, 0x80, 0, 1];
    bytes.extend(answers.to_be_bytes());
    bytes.extend([0; 4]);
    bytes
}

const QUESTION: &[u8] = b"\x01a\x00\x00\x01\x00\x01";

#[test]
fn pointers_that_loop_are_malformed() {
    // To itself, and to one that leads back to it.
    for owner in [&[0xc0, 19][..], &[0xc0, 21, 0xc0, 19]] {
        let bytes =
            [&header(1), QUESTION, owner, b"\x00\x01\x00\x01\x00\x00\x00\x09\x00\x04\x01\x02\x03\x04"]
                .concat();
        assert_eq!(read(&bytes, QUESTION), (Outcome::Malformed, vec![]));
    }
}

/// Even where what it leads to is the name that was asked for.
#[test]
fn a_pointer_forward_to_the_right_name_is_malformed() {
    let first = b"\xc0\x2f\x00\x01\x00\x01\x00\x00\x00\x09\x00\x04\x01\x02\x03\x04";
    let text = b"\xc0\x0c\x00\x10\x00\x01\x00\x00\x00\x09\x00\x03\x01a\x00";
    let bytes = [&header(2), QUESTION, first, text].concat();
    assert_eq!(&bytes[0x2f..], b"\x01a\x00");
    assert_eq!(read(&bytes, QUESTION), (Outcome::Malformed, vec![]));
}

#[test]
fn pointers_upon_pointers_use_up_a_bounded_number_of_steps() {
    // A long name in the question, and owners that are an `a` before a pointer to it: each is walked to its end.
    let mut question = vec![];
    for _ in 0..124 {
        question.extend(b"\x01b");
    }
    question.extend(b"\x00\x00\x01\x00\x01");
    let record = b"\x01a\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x09\x00\x00";
    let bytes = [&header(200)[..], &question, &record.repeat(200)].concat();
    assert_eq!(read(&bytes, &question), (Outcome::TooLong, vec![]));
}

#[test]
fn what_exceeds_the_reader_is_refused_unread() {
    let message = header(0).into_iter().chain(QUESTION.iter().copied()).chain(std::iter::repeat(0));
    let message: Vec<u8> = message.take(MESSAGE_MOST + 1).collect();
    assert_eq!(read(&message, QUESTION), (Outcome::TooLong, vec![]));
    let question = vec![1; 1024];
    assert_eq!(read(&message[..MESSAGE_MOST], &question), (Outcome::OtherQuestion, vec![]));
}

#[test]
fn an_answer_that_says_it_is_not_whole_or_no_answer_names_nothing() {
    let record = b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x09\x00\x04\x01\x02\x03\x04";
    let whole = [&header(1), QUESTION, record].concat();
    let address: Ipv6Addr = "::ffff:1.2.3.4".parse().unwrap();
    assert_eq!(read(&whole, QUESTION), (Outcome::Read, vec![(address, 9)]));
    for (at, byte, outcome) in [
        (2, 0x83, Outcome::Truncated),
        (3, 0x83, Outcome::Error),
        (2, 0x01, Outcome::Malformed),
        (2, 0x89, Outcome::Malformed),
        (5, 0x02, Outcome::Malformed),
        (7, 0x02, Outcome::Malformed),
    ] {
        let mut bytes = whole.clone();
        bytes[at] = byte;
        assert_eq!(read(&bytes, QUESTION), (outcome, vec![]));
    }
}

#[test]
fn addresses_that_no_name_can_vouch_for_are_not_named() {
    let named = |address: &str| {
        let address: Ipv6Addr = address.parse().unwrap();
        let question = b"\x01a\x00\x00\x1c\x00\x01";
        let record = [&b"\xc0\x0c\x00\x1c\x00\x01\x00\x00\x00\x09\x00\x10"[..], &address.octets()].concat();
        let (outcome, named) = read(&[&header(1), &question[..], &record].concat(), question);
        assert_eq!(outcome, Outcome::Read);
        !named.is_empty()
    };
    for address in
        ["::", "::1", "ff02::1", "::ffff:0.0.0.0", "::ffff:0.1.2.3", "::ffff:127.0.0.1", "::ffff:224.0.0.1"]
    {
        assert!(!named(address), "{address}");
    }
    for address in
        ["::2", "2001:db8::1", "fd00::1", "::ffff:10.0.0.1", "::ffff:198.18.0.1", "64:ff9b::1", "::1:0"]
    {
        assert!(named(address), "{address}");
    }
}
