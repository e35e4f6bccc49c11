//! Lines for people that fit a terminal of 80 columns. Whatever is shortened stands in full in the JSON.

/// The columns of a terminal that nobody has widened.
const COLUMNS: usize = 80;
const INDENT: &str = "    ";
/// What stands for the middle of a word that is too long.
const LEFT_OUT: &str = "...";

/// `text`, broken between words where a line would be too long. A word that fits no line loses its middle: the ends of
/// a cgroup's path tell more than what is between them.
pub fn fitted(text: &str) -> String {
    let lines: Vec<String> = text.lines().flat_map(broken).collect();
    lines.join("\n")
}

fn broken(line: &str) -> Vec<String> {
    if length(line) <= COLUMNS {
        return vec![line.to_owned()];
    }
    let mut words = line.split(' ').map(|word| shortened(word, COLUMNS - INDENT.len()));
    let mut lines = Vec::new();
    let mut current = words.next().unwrap_or_default();
    for word in words {
        if length(&current) + 1 + length(&word) > COLUMNS {
            lines.push(current.trim_end().to_owned());
            current = format!("{INDENT}{word}");
        } else {
            current.extend([" ", &word]);
        }
    }
    lines.push(current);
    lines
}

/// `word` without its middle if it is longer than `most`.
fn shortened(word: &str, most: usize) -> String {
    let letters: Vec<char> = word.chars().collect();
    if letters.len() <= most {
        return word.to_owned();
    }
    let kept = most - LEFT_OUT.len();
    let (start, end) = (kept / 2, kept - kept / 2);
    let of = |letters: &[char]| letters.iter().collect::<String>();
    format!("{}{LEFT_OUT}{}", of(&letters[..start]), of(&letters[letters.len() - end..]))
}

fn length(text: &str) -> usize {
    text.chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_fits_stays_and_a_longer_one_breaks_between_words() {
        let fits = format!("  a   {}", "b".repeat(74));
        assert_eq!(fitted(&fits), fits);
        let long = format!("degraded: {}\nnext", "word ".repeat(40).trim_end());
        let shown = fitted(&long);
        assert!(shown.lines().all(|line| length(line) <= COLUMNS), "{shown}");
        assert_eq!(shown.matches("word").count(), 40, "{shown}");
        assert!(shown.lines().nth(1).is_some_and(|line| line.starts_with("    word")), "{shown}");
        assert!(shown.ends_with("\nnext"), "{shown}");
    }

    #[test]
    fn a_word_that_fits_no_line_keeps_both_ends() {
        let container = format!("/system.slice/docker-{}.scope", "0123456789abcdef".repeat(6));
        let shown = fitted(&format!("adaptive[{container}]: queued 1"));
        assert!(shown.starts_with("adaptive[/system.slice/docker-0123"), "{shown}");
        assert!(
            shown.contains("def.scope]:") && shown.contains("...") && shown.contains("queued 1"),
            "{shown}"
        );
        assert!(shown.lines().all(|line| length(line) <= COLUMNS), "{shown}");
    }
}
