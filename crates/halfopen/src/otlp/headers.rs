//! The file of headers that go with each request. It may hold a token, so that nobody but root may read it.

use hyper::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue};
use hyper::header::{TRANSFER_ENCODING, UPGRADE};
use rustix::fs::OFlags;
use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The longest file, in bytes.
const LONGEST: u64 = 16 * 1024;
/// Those that the request itself has.
const OWN: [HeaderName; 6] = [CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST, TRANSFER_ENCODING, UPGRADE];

/// Why the file cannot be used. It never shows a value.
#[derive(Debug, thiserror::Error)]
pub enum HeadersError {
    /// It cannot be read.
    #[error("cannot read otlp.headers {}: {why}: correct the path or make the file", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        why: io::Error,
    },
    /// Others could read or change what it holds.
    #[error(
        "otlp.headers {path} may hold a token, but others can read or change it: run `chown root {path} && chmod 600 \
         {path}`", path = .0.display()
    )]
    Open(PathBuf),
    /// A line is no header.
    #[error("otlp.headers {}, line {line}: expected \"Name: value\", and no header of the request's own", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
    },
}

/// Reads the file.
///
/// # Errors
/// [`HeadersError`].
pub fn read(path: &Path) -> Result<HeaderMap, HeadersError> {
    let failed = |why| HeadersError::File { path: path.to_owned(), why };
    let no_wait = OFlags::NONBLOCK.bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(no_wait).open(path).map_err(failed)?;
    let about = file.metadata().map_err(failed)?;
    if about.uid() != 0 || about.mode() & 0o077 != 0 {
        return Err(HeadersError::Open(path.to_owned()));
    }
    let mut text = String::new();
    file.take(LONGEST).read_to_string(&mut text).map_err(failed)?;
    parse(&text).map_err(|line| HeadersError::Line { path: path.to_owned(), line })
}

/// The headers, or the number of the line that is none. Empty lines and those that begin with `#` are left out.
fn parse(text: &str) -> Result<HeaderMap, usize> {
    let mut headers = HeaderMap::new();
    for (line, number) in text.lines().zip(1..) {
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        let (name, value) = line.split_once(':').ok_or(number)?;
        let name: HeaderName = name.trim().parse().map_err(|_| number)?;
        let mut value: HeaderValue = value.trim().parse().map_err(|_| number)?;
        if OWN.contains(&name) {
            return Err(number);
        }
        value.set_sensitive(true);
        headers.append(name, value);
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{Permissions, set_permissions, write};
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_header_a_line_and_none_of_the_request_s_own() {
        let headers = parse("# a token\n\nAuthorization: Bearer a:b \r\nx-tenant:7\n").unwrap();
        assert_eq!(
            (headers.len(), &headers["authorization"], &headers["x-tenant"]),
            (2, &HeaderValue::from_static("Bearer a:b"), &HeaderValue::from_static("7"))
        );
        assert!(headers.values().all(HeaderValue::is_sensitive));
        for (text, line) in [("a", 1), ("a: b\nc d: e", 2), ("Host: x", 1), ("a: b\n\ncontent-length: 1", 3)]
        {
            assert_eq!(parse(text).err(), Some(line), "{text}");
        }
    }

    #[test]
    fn only_root_may_be_able_to_read_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("headers");
        write(&path, "a: b\n").unwrap();
        let is_root = rustix::process::geteuid().is_root();
        for (mode, is_closed) in [(0o600, is_root), (0o640, false), (0o604, false), (0o602, false)] {
            set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            assert_eq!(read(&path).is_ok(), is_closed, "{mode:o}");
        }
    }
}
