//! `status --watch`: the numbers again and again.

use super::show::shown_status;
use crate::output;
use anyhow::Result;
use rustix::termios::tcgetwinsize;
use std::io::IsTerminal;
use std::time::Duration;

const PAUSE: Duration = Duration::from_secs(2);
const TO_THE_TOP: &str = "\x1b[H";
const CLEAR_TO_LINE_END: &str = "\x1b[K";
const CLEAR_TO_SCREEN_END: &str = "\x1b[J";

/// Prints until something fails or a signal ends the program. The terminal's own state is never changed: nothing has to
/// be put back then.
pub fn status(json: bool) -> Result<()> {
    let is_redrawn = !json && std::io::stdout().is_terminal() && !is_dumb();
    let mut is_first = true;
    loop {
        let text = shown_status(json)?;
        if is_redrawn {
            if is_first {
                // What is on the screen moves up and is not overwritten.
                output::line(&"\n".repeat(rows().saturating_sub(1)))?;
            }
            output::line(&redrawn(&text, rows()))?;
        } else {
            let apart = if is_first || json { "" } else { "\n" };
            output::line(&format!("{apart}{text}"))?;
        }
        is_first = false;
        std::thread::sleep(PAUSE);
    }
}

/// Whether the terminal says that it cannot move its cursor.
pub(super) fn is_dumb() -> bool {
    std::env::var_os("TERM").is_none_or(|name| name == "dumb")
}

/// The lines of the terminal; a usual number where it does not say.
fn rows() -> usize {
    let said = tcgetwinsize(std::io::stdout()).ok().map(|size| usize::from(size.ws_row));
    said.filter(|rows| *rows > 0).unwrap_or(24)
}

/// `text` from the top of a screen of `rows` lines, without what was there. The cursor needs the last line; a text that is
/// longer says how much of it is missing.
fn redrawn(text: &str, rows: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let most = rows.saturating_sub(1).max(1);
    let mut shown: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
    if lines.len() > most {
        shown.truncate(most - 1);
        shown.push(format!("({} more lines: `halfopen status` prints them)", lines.len() - (most - 1)));
    }
    let shown: Vec<String> = shown.into_iter().map(|line| line + CLEAR_TO_LINE_END).collect();
    format!("{TO_THE_TOP}{}{CLEAR_TO_SCREEN_END}", shown.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_longer_than_the_screen_says_how_much_is_missing() {
        let clear = CLEAR_TO_LINE_END;
        assert_eq!(redrawn("a\nb", 24), format!("\x1b[Ha{clear}\nb{clear}\x1b[J"));
        let shown = redrawn("a\nb\nc\nd", 3);
        assert_eq!(
            shown,
            format!("\x1b[Ha{clear}\n(3 more lines: `halfopen status` prints them){clear}\x1b[J")
        );
    }
}
