//! Names that programs choose, as text on a line that people read. The form is the same everywhere, and the
//! bytes can be restored from it.
//!
//! Bytes that would move the cursor, end the line or turn its direction, and bytes that are not UTF-8, are
//! written as `\xNN`. A backslash stays as it is, as in the names that systemd makes (`a\x2db`), unless it
//! would be read as one of these escapes: then it is `\x5c`. Text that is too long ends with how much is
//! missing, as `\[3900 bytes more]`.

use std::fmt::Write;

/// A text longer than this, in bytes, is cut.
pub const LONGEST: usize = 512;
/// Begins the note on what was cut; no other text has it.
const CUT: &str = r"\[";

/// `name` as text of at most [`LONGEST`] bytes, plus a note if it was cut.
#[must_use]
pub fn escaped(name: &[u8]) -> String {
    let mut text = String::with_capacity(name.len().min(LONGEST));
    let mut rest = name;
    while let Some((unit, harmless)) = first_unit(rest) {
        let width = if harmless { unit.len() } else { 4 * unit.len() };
        if text.len() + width > LONGEST {
            let _ = write!(text, "{CUT}{} bytes more]", rest.len());
            break;
        }
        match std::str::from_utf8(unit) {
            Ok(unit) if harmless => text.push_str(unit),
            _ => escape(&mut text, unit),
        }
        rest = &rest[unit.len()..];
    }
    text
}

/// The bytes that [`escaped`] turned into `text`; `None` if it was cut.
#[must_use]
pub fn unescaped(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, left @ ..] = rest {
        if rest.starts_with(CUT.as_bytes()) {
            return None;
        }
        let (byte, length) = escape_at(rest).map_or((*first, 1), |byte| (byte, 4));
        bytes.push(byte);
        rest = if length == 1 { left } else { &rest[length..] };
    }
    Some(bytes)
}

/// `text` with everything escaped that must not appear in a line, whatever its source. Text that [`escaped`]
/// made stays unchanged.
#[must_use]
pub fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        if is_harmful(c) {
            escape(&mut plain, c.encode_utf8(&mut [0; 4]).as_bytes());
        } else {
            plain.push(c);
        }
    }
    plain
}

fn escape(text: &mut String, bytes: &[u8]) {
    for byte in bytes {
        // Writing to a String cannot fail.
        let _ = write!(text, r"\x{byte:02x}");
    }
}

/// The first character, or the first bytes that are none, and whether they may stand as they are.
fn first_unit(bytes: &[u8]) -> Option<(&[u8], bool)> {
    let chunk = bytes.utf8_chunks().next()?;
    let Some(c) = chunk.valid().chars().next() else { return Some((chunk.invalid(), false)) };
    let is_ours = c == '\\' && (escape_at(bytes).is_some() || bytes.starts_with(CUT.as_bytes()));
    Some((&bytes[..c.len_utf8()], !is_ours && !is_harmful(c)))
}

/// The byte whose escape `bytes` begin with, if it is one that is ever escaped.
fn escape_at(bytes: &[u8]) -> Option<u8> {
    let [b'\\', b'x', high @ (b'0'..=b'9' | b'a'..=b'f'), low @ (b'0'..=b'9' | b'a'..=b'f'), ..] = bytes
    else {
        return None;
    };
    let digit = |digit: u8| if digit <= b'9' { digit - b'0' } else { digit - b'a' + 10 };
    let byte = digit(*high) << 4 | digit(*low);
    (byte < b' ' || byte == b'\\' || byte >= 0x7f).then_some(byte)
}

/// Whether this is a control character, a line or paragraph separator, or a character that is invisible or
/// changes how its neighbours are shown.
fn is_harmful(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{feff}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_s_name_cannot_write_a_line_of_its_own() {
        assert_eq!(escaped(b"a\nevent 4226\x1b[2J"), r"a\x0aevent 4226\x1b[2J");
        assert_eq!(escaped("gpj\u{202e}.sh".as_bytes()), r"gpj\xe2\x80\xae.sh");
        assert_eq!(escaped("/usr/bin/größer".as_bytes()), "/usr/bin/größer");
        assert_eq!(escaped(b"a\xff\xc3("), r"a\xff\xc3(");
        assert_eq!(escaped(br"system-a\x2db\x5cx0a\[1"), r"system-a\x2db\x5cx5cx0a\x5c[1");
    }

    #[test]
    fn the_name_can_be_had_back_and_another_escape_changes_nothing() {
        let all: Vec<u8> = (0..=255).collect();
        for name in [
            &all[..100],
            &all[100..180],
            &all[180..],
            br"\x0a\\x0a\x2d\[",
            b"",
            "\u{9b}\u{e0041}é".as_bytes(),
        ] {
            let text = escaped(name);
            assert_eq!(unescaped(&text).unwrap(), name, "{text}");
            assert_eq!(plain(&text), text);
        }
    }

    #[test]
    fn what_is_too_long_says_how_much_is_missing() {
        assert_eq!(escaped(&[b'a'; LONGEST]), "a".repeat(LONGEST));
        let text = escaped(&[1; 4096]);
        assert_eq!(text, format!(r"{}\[{} bytes more]", r"\x01".repeat(LONGEST / 4), 4096 - LONGEST / 4));
        assert_eq!(unescaped(&text), None);
        assert!(escaped("é".repeat(LONGEST).as_bytes()).starts_with(&"é".repeat(LONGEST / 2)));
    }
}
