//! Text from programs, made safe for a line that people read.

use std::fmt::Write;

/// `text` with everything escaped that would move the cursor, end the line or turn its direction.
#[must_use]
pub fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() || turns_or_breaks(c) {
            // Writing to a String cannot fail.
            let _ = write!(plain, "{}", c.escape_unicode());
        } else {
            plain.push(c);
        }
    }
    plain
}

/// Line and paragraph separators, zero-width characters and those that change the writing direction.
fn turns_or_breaks(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_s_name_cannot_write_a_line_of_its_own() {
        assert_eq!(plain("a\nevent 4226\u{1b}[2J"), "a\\u{a}event 4226\\u{1b}[2J");
        assert_eq!(plain("gpj\u{202e}.sh"), "gpj\\u{202e}.sh");
        assert_eq!(plain("/usr/bin/größer"), "/usr/bin/größer");
    }
}
