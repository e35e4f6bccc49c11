//! Lines for people that fit a terminal of 80 columns. Whatever is shortened stands in full in the JSON.

/// The columns of a terminal that nobody has widened.
const COLUMNS: usize = 80;
const INDENT: &str = "    ";
/// The widest word that fits a line.
const WORD: usize = COLUMNS - INDENT.len();
/// What stands for the middle of a word that is too long.
const LEFT_OUT: &str = "...";

/// `text`, broken between words where a line would be too long. A word that fits no line loses its middle: the ends of
/// a cgroup's path tell more than what is between them.
pub fn fitted(text: &str) -> String {
    let lines: Vec<String> = text.lines().flat_map(broken).collect();
    lines.join("\n")
}

fn broken(line: &str) -> Vec<String> {
    if width(line) <= COLUMNS {
        return vec![line.to_owned()];
    }
    let mut words = words(line).into_iter().map(|word| shortened(&word, WORD));
    let mut lines = Vec::new();
    let mut current = words.next().unwrap_or_default();
    for word in words {
        if width(&current) + 1 + width(&word) > COLUMNS {
            lines.push(current.trim_end().to_owned());
            current = format!("{INDENT}{word}");
        } else {
            current.extend([" ", &word]);
        }
    }
    lines.push(current);
    lines
}

/// The words of `line`. What is in brackets is the name of an account, which stays whole even if a space is in it. But a
/// program may have a bracket in its name too: what does not fit a line is no such name, lest it hide what is beside it.
fn words(line: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for word in line.split(' ') {
        match words.last_mut().filter(|last| is_open(last)) {
            Some(last) => last.extend([" ", word]),
            None => words.push(word.to_owned()),
        }
    }
    let is_name = |word: &str| !is_open(word) && width(word) <= WORD;
    words
        .iter()
        .flat_map(|word| if is_name(word) { vec![word.as_str()] } else { word.split(' ').collect() })
        .map(str::to_owned)
        .collect()
}

fn is_open(word: &str) -> bool {
    word.matches('[').count() > word.matches(']').count()
}

/// `word` without its middle if it is wider than `most`.
pub(super) fn shortened(word: &str, most: usize) -> String {
    if width(word) <= most {
        return word.to_owned();
    }
    let kept = most - LEFT_OUT.len();
    let start = beginning(word.chars(), kept / 2);
    let end = beginning(word.chars().rev(), kept - kept / 2);
    format!("{start}{LEFT_OUT}{}", end.chars().rev().collect::<String>())
}

/// So many of `letters` as fit in `most` columns.
fn beginning(letters: impl Iterator<Item = char>, most: usize) -> String {
    let mut left = most;
    letters
        .map_while(|letter| Some((letter, left = left.checked_sub(columns(letter))?)))
        .map(|(letter, ())| letter)
        .collect()
}

fn width(text: &str) -> usize {
    text.chars().map(columns).sum()
}

/// How many columns a terminal gives to `letter`, at most.
fn columns(letter: char) -> usize {
    match letter {
        // Hangul, kana, Han and their punctuation, full-width forms, pictures: Unicode's "wide".
        '\u{1100}'..='\u{115f}'
        | '\u{231a}'..='\u{23ff}'
        | '\u{25fd}'..='\u{27bf}'
        | '\u{2b1b}'..='\u{2b55}'
        | '\u{2e80}'..='\u{a4cf}'
        | '\u{a960}'..='\u{a97c}'
        | '\u{ac00}'..='\u{d7a3}'
        | '\u{f900}'..='\u{faff}'
        | '\u{fe10}'..='\u{fe6b}'
        | '\u{ff01}'..='\u{ff60}'
        | '\u{ffe0}'..='\u{ffe6}'
        | '\u{16fe0}'..='\u{1b2ff}'
        | '\u{1f000}'..='\u{1faff}'
        | '\u{20000}'..='\u{3fffd}' => 2,
        _ => 1,
    }
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
        assert!(shown.lines().all(|line| width(line) <= COLUMNS), "{shown}");
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
        assert!(shown.lines().all(|line| width(line) <= COLUMNS), "{shown}");
    }

    #[test]
    fn wide_letters_count_twice_and_names_with_spaces_stay_whole() {
        let wide = "\u{65e5}\u{672c}".repeat(60);
        let shown = fitted(&format!("adaptive[/{wide}.service]: queued 1, {}", "half-open 2, ".repeat(8)));
        assert!(shown.lines().all(|line| width(line) <= COLUMNS), "{shown}");
        assert!(shown.contains("...") && shown.contains(".service]"), "{shown}");
        let named =
            format!("suspects, and what {} adaptive[/a b c d.service]: queued 1", "word ".repeat(8).trim());
        assert!(fitted(&named).contains("\n    adaptive[/a b c d.service]: queued 1"), "{}", fitted(&named));
        let odd = format!("program [odd {}", "word ".repeat(40));
        assert!(fitted(&odd).lines().all(|line| width(line) <= COLUMNS), "{odd}");
        let hiding = format!("the last was of a[ (pid 7) to {}192.0.2.1, cgroup /]", "b ".repeat(40));
        assert!(fitted(&hiding).contains("192.0.2.1"), "{}", fitted(&hiding));
    }
}
