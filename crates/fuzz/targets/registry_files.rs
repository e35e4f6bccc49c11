//! Whatever a file of the registry editor is, it is refused at a line of it, or the limits that it sets are those of the
//! file that would be exported from them, in both encodings.

#![no_main]

use halfopen::registry::{Exported, Meaning, RegistryError, read, utf8, utf16};
use libfuzzer_sys::fuzz_target;
use std::collections::BTreeMap;

fn limits(bytes: &[u8]) -> Result<Exported, RegistryError> {
    let found = read(bytes)?;
    let lines: Vec<usize> = found.entries.iter().map(|entry| entry.line).collect();
    assert!(lines.is_sorted() && found.ignored.is_sorted_by_key(|ignored| ignored.line), "{found:?}");
    let meaning = Meaning::of(&found.entries, &BTreeMap::new(), true)?;
    Ok(meaning.wishes.into_iter().filter_map(|(of, wish)| Some((of, wish.limit?))).collect())
}

fuzz_target!(|bytes: &[u8]| match limits(bytes) {
    Ok(set) => {
        for written in [utf8(&set), utf16(&set)] {
            assert_eq!(limits(&written).as_ref(), Ok(&set));
        }
    }
    // In UTF-16, a line may be as short as two bytes.
    Err(error) => assert!((1..=bytes.len() + 1).contains(&error.line), "{error:?}"),
});
