//! The small changes that a test should notice, in one header.

use super::tokens::{Kind, Token, changeable};

/// A changed header.
#[derive(Clone, Debug)]
pub struct Mutant {
    /// The header's name.
    pub file: String,
    /// The function or macro that is changed.
    pub within: String,
    pub in_macro: bool,
    /// Counted from one.
    pub line: usize,
    /// What is in the file, from the beginning of the first changed line to the end of the last, each blank one.
    pub was: String,
    /// The line above that, each blank one.
    pub above: String,
    /// What is in the file after the change.
    pub becomes: String,
    /// The whole header.
    pub source: String,
}

/// A part of the file, in bytes, and what comes in its place.
struct Change {
    from: usize,
    to: usize,
    by: String,
}

/// What an operator becomes where it stands between two operands.
const BETWEEN: [(&str, &str); 21] = [
    ("<", "<="),
    ("<=", "<"),
    (">", ">="),
    (">=", ">"),
    ("==", "!="),
    ("!=", "=="),
    ("&&", "||"),
    ("||", "&&"),
    ("+", "-"),
    ("-", "+"),
    ("*", "/"),
    ("/", "*"),
    ("%", "*"),
    ("<<", ">>"),
    (">>", "<<"),
    ("&", "|"),
    ("|", "&"),
    ("+=", "-="),
    ("-=", "+="),
    ("|=", "&="),
    ("&=", "|="),
];

/// With these begins a declaration, or a statement that is no call and no assignment, or one that only keeps the verifier
/// or the compiler from knowing something.
const NO_EFFECT: [&str; 26] = [
    "ENOUGH",
    "HIDE",
    "FORGET",
    "READ_AGAIN",
    "struct",
    "enum",
    "union",
    "const",
    "static",
    "int",
    "unsigned",
    "char",
    "long",
    "void",
    "if",
    "for",
    "while",
    "switch",
    "do",
    "else",
    "case",
    "default",
    "return",
    "for_each_charged",
    "for_steps",
    "(",
];

/// All changes of one header.
pub fn of_header(file: &str, source: &str) -> Vec<Mutant> {
    let tokens = changeable(source);
    let mut changes = Vec::new();
    for at in 0..tokens.len() {
        let (before, after) = (at.checked_sub(1).map(|at| &tokens[at]), &tokens[at..]);
        if tokens[at].in_macro {
            changes.extend(number(&tokens[at]));
        } else if !in_assembly(&tokens[..=at]) {
            changes.extend(number(&tokens[at]));
            changes.extend(operator(before, &tokens[at]).filter(|_| !negates_bit(&tokens, at)));
            changes.extend(returned(source, after));
            let begins = before.is_some_and(|before| ends_statement(before, &tokens[..at]));
            changes.extend(begins.then(|| removed(after)).flatten());
        }
    }
    changes.iter().map(|(token, change)| mutant(file, source, token, change)).collect()
}

fn mutant(file: &str, source: &str, at: &Token<'_>, change: &Change) -> Mutant {
    let begins = source[..change.from].rfind('\n').map_or(0, |end| end + 1);
    let ends = source[change.to..].find('\n').map_or(source.len(), |end| change.to + end);
    let one_line = |text: String| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let changed =
        |from: usize, to: usize| [&source[from..change.from], &change.by, &source[change.to..to]].concat();
    Mutant {
        file: file.to_owned(),
        within: at.within.to_owned(),
        in_macro: at.in_macro,
        line: source[..change.from].matches('\n').count() + 1,
        was: one_line(source[begins..ends].to_owned()),
        above: one_line(source[..begins].lines().next_back().unwrap_or_default().to_owned()),
        becomes: one_line(changed(begins, ends)),
        source: changed(0, source.len()),
    }
}

type Found<'a> = Option<(Token<'a>, Change)>;

fn replaced<'a>(token: &Token<'a>, by: impl Into<String>) -> (Token<'a>, Change) {
    (token.clone(), Change { from: token.at, to: token.at + token.text.len(), by: by.into() })
}

/// From here on a number becomes an eighth more: a nanosecond more is no fault.
const LARGE: u64 = 1_000_000;

/// A number becomes one more.
fn number<'a>(token: &Token<'a>) -> Found<'a> {
    let digits = token.text.trim_end_matches(['u', 'U', 'l', 'L']);
    let suffix = &token.text[digits.len()..];
    let value = match digits.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16),
        None => digits.parse(),
    };
    let more = value.ok().filter(|_| token.kind == Kind::Number)?.checked_add(1)?;
    let more = if more > LARGE { more.checked_add(more / 8)? } else { more };
    Some(replaced(token, format!("{more}{suffix}")))
}

fn is_operand(token: &Token<'_>) -> bool {
    token.kind != Kind::Sign && !["return", "case"].contains(&token.text) || [")", "]"].contains(&token.text)
}

/// An operator between operands becomes its neighbour; a negation goes.
fn operator<'a>(before: Option<&Token<'a>>, token: &Token<'a>) -> Found<'a> {
    match token.text {
        "!" if before.is_none_or(|before| before.text != "!") => Some(replaced(token, "")),
        "++" => Some(replaced(token, "--")),
        "--" => Some(replaced(token, "++")),
        text => {
            before.filter(|before| is_operand(before))?;
            let (_, by) = BETWEEN.iter().find(|(operator, _)| *operator == text)?;
            Some(replaced(token, *by))
        }
    }
}

/// Whether this is the sign of `(1 - bit)` beside `&`: of `(1 + bit)` the lowest bit, which alone counts there, is the same.
fn negates_bit(tokens: &[Token<'_>], at: usize) -> bool {
    let text = |at: usize| tokens.get(at).map_or("", |token| token.text);
    let Some(open) =
        at.checked_sub(2).filter(|open| [text(*open), text(at - 1), text(at)] == ["(", "1", "-"])
    else {
        return false;
    };
    let mut depth = 0;
    let close = (open..tokens.len()).find(|at| {
        depth += i32::from(text(*at) == "(") - i32::from(text(*at) == ")");
        depth == 0
    });
    open.checked_sub(1).is_some_and(|before| text(before) == "&")
        || close.is_some_and(|close| text(close + 1) == "&")
}

/// What is returned becomes zero, and its own negation.
fn returned<'a>(source: &str, tokens: &[Token<'a>]) -> Vec<(Token<'a>, Change)> {
    let is_return = tokens.first().is_some_and(|token| token.text == "return");
    let end = tokens.iter().position(|token| token.text == ";").filter(|_| is_return);
    let Some([first, .., last]) = end.and_then(|end| tokens.get(1..=end)) else { return Vec::new() };
    let is_one_word = end == Some(2);
    let mut by = Vec::new();
    if !["0", "NULL"].contains(&first.text) || !is_one_word {
        by.push("0".to_owned());
    }
    // A number is changed as such, and a negation goes.
    if first.text != "!" && !(is_one_word && first.kind == Kind::Number) {
        by.push(format!("!({})", &source[first.at..last.at]));
    }
    by.into_iter().map(|by| (first.clone(), Change { from: first.at, to: last.at, by })).collect()
}

/// Whether a statement may begin after this token.
fn ends_statement(token: &Token<'_>, before: &[Token<'_>]) -> bool {
    match token.text {
        ";" => open_parentheses(before) == 0,
        "{" | "}" | "else" => true,
        ":" => !before.iter().rev().take_while(|token| token.text != ";").any(|token| token.text == "?"),
        // The condition of an `if` or the head of a loop.
        ")" => heads_statement(before),
        _ => false,
    }
}

/// How many parentheses are open since the last brace.
fn open_parentheses(tokens: &[Token<'_>]) -> i32 {
    let since = tokens.iter().rev().take_while(|token| !["{", "}"].contains(&token.text));
    since.map(|token| i32::from(token.text == "(") - i32::from(token.text == ")")).sum()
}

/// Whether the parenthesis that closes last belongs to an `if` or to the head of a loop.
fn heads_statement(tokens: &[Token<'_>]) -> bool {
    let mut depth = 0;
    for (at, token) in tokens.iter().enumerate().rev() {
        depth += i32::from(token.text == ")") - i32::from(token.text == "(");
        if depth == 0 {
            let heads = ["if", "for", "while", "switch", "for_each_charged", "for_steps"];
            return at.checked_sub(1).is_some_and(|at| heads.contains(&tokens[at].text));
        }
    }
    false
}

fn in_assembly(tokens: &[Token<'_>]) -> bool {
    let statement = tokens.iter().rev().take_while(|token| ![";", "{", "}"].contains(&token.text));
    statement.into_iter().any(|token| ["asm", "_Static_assert"].contains(&token.text))
}

/// A call, an assignment or a jump goes.
fn removed<'a>(tokens: &[Token<'a>]) -> Found<'a> {
    let first = tokens.first()?;
    let declares =
        NO_EFFECT.contains(&first.text) || first.text.starts_with("__u") || first.text.starts_with("__s");
    let length = tokens.iter().position(|token| [";", "{", "}"].contains(&token.text))?;
    let is_declaration = declares && !first.text.starts_with("__sync");
    if is_declaration || tokens[length].text != ";" || length == 0 {
        return None;
    }
    Some((first.clone(), Change { from: first.at, to: tokens[length].at, by: String::new() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changes(body: &str) -> Vec<String> {
        let source = format!("static int f(int a)\n{{\n{body}\n}}\n");
        let mut all: Vec<_> = of_header("x.h", &source).into_iter().map(|mutant| mutant.becomes).collect();
        all.sort();
        all
    }

    #[test]
    fn a_comparison_loses_or_gains_its_limit_and_a_number_is_one_more() {
        assert_eq!(
            changes("if (a < 3) a++;"),
            ["if (a < 3) ;", "if (a < 3) a--;", "if (a < 4) a++;", "if (a <= 3) a++;"]
        );
    }

    #[test]
    fn a_large_number_is_an_eighth_more() {
        assert_eq!(changes("h(999999);"), [";", "h(1000000);"]);
        assert_eq!(changes("h(8000000);"), [";", "h(9000001);"]);
    }

    #[test]
    fn the_sign_that_negates_a_bit_stays() {
        assert_eq!(changes("h(a & (1 - b(a)));"), [";", "h(a & (2 - b(a)));", "h(a | (1 - b(a)));"]);
        assert_eq!(changes("h((1 - a) & a);"), [";", "h((1 - a) | a);", "h((2 - a) & a);"]);
        assert_eq!(changes("h(a | (1 - a));").len(), 4);
    }

    #[test]
    fn signs_of_one_operand_stay() {
        assert_eq!(changes("g(&a, -a, *a);"), [";"]);
    }

    #[test]
    fn what_is_returned_becomes_zero_and_its_contrary() {
        assert_eq!(changes("return a;"), ["return !(a);", "return 0;"]);
        assert_eq!(changes("return 0;"), ["return 1;"]);
        assert_eq!(changes("return !a;"), ["return 0;", "return a;"]);
    }

    #[test]
    fn declarations_heads_and_what_only_the_kernel_compiles_stay() {
        assert_eq!(changes("int b = a;\n#ifdef __bpf__\na = 2;\n#else\na = b;\n#endif"), [";"]);
        assert_eq!(changes("for (int i = g(a); i; i = a)\nh(i);"), [";"]);
        assert!(changes("asm volatile(\"\" : \"+r\"(a + 1));").is_empty());
    }

    #[test]
    fn of_a_macro_only_numbers_change() {
        let mutants = of_header(
            "x.h",
            "#define A (B - 1) /* two */\n#define C(x) (x + 1)\nstruct s {\n\tint a[2];\n};\n",
        );
        let becomes: Vec<_> =
            mutants.iter().map(|mutant| (mutant.within.as_str(), mutant.becomes.as_str())).collect();
        assert_eq!(becomes, [("A", "#define A (B - 2) /* two */")]);
    }
}
