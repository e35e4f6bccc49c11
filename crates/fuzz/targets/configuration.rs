//! A configuration that is read can be shown in full, and what is shown reads as the same configuration.

#![no_main]

use halfopen::config::{Disk, Resolved, Sources};
use libfuzzer_sys::fuzz_target;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

const MAIN: &str = "/fuzz/halfopen.toml";
const PASSWD: &[u8] = b"root:x:0:0:root:/root:/bin/sh\nalice:x:1000:1000::/home/alice:/bin/sh\n";

/// A host with one configuration file and two accounts.
struct OneFile<'a>(&'a [u8]);

impl Disk for OneFile<'_> {
    fn list(&mut self, _: &Path) -> io::Result<Vec<PathBuf>> {
        Err(io::ErrorKind::NotFound.into())
    }

    fn open(&mut self, _: &Path) -> io::Result<File> {
        Err(io::ErrorKind::NotFound.into())
    }

    fn read(&mut self, path: &Path) -> io::Result<Vec<u8>> {
        match path.to_str() {
            Some(MAIN) => Ok(self.0.to_vec()),
            Some("/etc/passwd") => Ok(PASSWD.to_vec()),
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    }
}

fn read(text: &[u8]) -> Result<Resolved, String> {
    let sources = Sources::new(Some(MAIN.into()), &[]).expect("a path is no mistake");
    sources.load_from(&mut OneFile(text)).map_err(|error| error.to_string())
}

fuzz_target!(|text: &[u8]| {
    let Ok(first) = read(text) else { return };
    let shown = first.to_toml();
    let again = read(shown.as_bytes()).unwrap_or_else(|error| panic!("{error}:\n{shown}"));
    // What is shown names where each value was said, which is elsewhere now.
    assert_eq!(again.hash(), first.hash(), "{shown}");
    assert_eq!(again.settings(), first.settings(), "{shown}");
});
