//! The tokens of a C header, as far as mutations need them: what stands in function bodies, and the numbers of macros.

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Word,
    Number,
    Sign,
}

/// A token that may be changed.
#[derive(Clone, Debug)]
pub struct Token<'a> {
    pub kind: Kind,
    pub text: &'a str,
    /// Where it begins in the file, in bytes.
    pub at: usize,
    /// The function or the macro.
    pub within: &'a str,
    /// Of a macro, only numbers are changed.
    pub in_macro: bool,
}

/// The longest first.
const SIGNS: [&str; 24] = [
    "<<=", ">>=", "...", "->", "++", "--", "<<", ">>", "<=", ">=", "==", "!=", "&&", "||", "+=", "-=", "*=",
    "/=", "%=", "&=", "|=", "^=", "##", "::",
];

/// The token at the beginning of `text`, which begins with no blank and no comment.
fn first(text: &str) -> (Kind, usize) {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let length = text.find(|c| !word(c)).unwrap_or(text.len());
    if length > 0 {
        let kind = if text.starts_with(|c: char| c.is_ascii_digit()) { Kind::Number } else { Kind::Word };
        return (kind, length);
    }
    if let Some(quote) = text.chars().next().filter(|c| ['"', '\''].contains(c)) {
        let mut escaped = false;
        let ends = |(_, c): &(usize, char)| {
            let ends = !escaped && *c == quote;
            escaped = !escaped && *c == '\\';
            ends
        };
        let end = text.char_indices().skip(1).find(ends);
        return (Kind::Sign, end.map_or(text.len(), |(at, _)| at + 1));
    }
    let sign = SIGNS.iter().find(|sign| text.starts_with(**sign)).map_or(1, |sign| sign.len());
    (Kind::Sign, sign.max(text.chars().next().map_or(1, char::len_utf8)))
}

/// All tokens of `text`, of which `from` is the place in the file.
fn all_of<'a>(source: &'a str, from: usize, to: usize, within: &'a str, in_macro: bool) -> Vec<Token<'a>> {
    let mut tokens = Vec::new();
    let mut at = from;
    while at < to {
        let rest = &source[at..to];
        if rest.starts_with("/*") {
            at += rest.find("*/").map_or(rest.len(), |end| end + 2);
        } else if rest.starts_with("//") {
            at += rest.find('\n').unwrap_or(rest.len());
        } else if rest.starts_with(|c: char| c.is_whitespace() || c == '\\') {
            at += 1;
        } else {
            let (kind, length) = first(rest);
            tokens.push(Token { kind, text: &source[at..at + length], at, within, in_macro });
            at += length;
        }
    }
    tokens
}

/// The places from which and up to which a line of the preprocessor, or what lies between two of them, goes.
fn pieces(source: &str) -> Vec<(usize, usize, bool)> {
    let (mut pieces, mut at, mut goes_on) = (Vec::<(usize, usize, bool)>::new(), 0, false);
    for line in source.split_inclusive('\n') {
        let is_directive = goes_on || line.trim_start().starts_with('#');
        match pieces.last_mut() {
            Some((_, end, directive)) if goes_on || (!is_directive && !*directive) => *end = at + line.len(),
            _ => pieces.push((at, at + line.len(), is_directive)),
        }
        goes_on = is_directive && line.trim_end().ends_with('\\');
        at += line.len();
    }
    pieces
}

/// The tokens that may be changed: those in the bodies of functions as user space compiles them, and those of macros
/// without parameters.
pub fn changeable(source: &str) -> Vec<Token<'_>> {
    let (mut tokens, mut plain) = (Vec::new(), Vec::new());
    // Whether each branch of `#ifdef` around is compiled.
    let mut compiled: Vec<bool> = Vec::new();
    for (from, to, is_directive) in pieces(source) {
        let text = source[from..to].trim_start().trim_start_matches('#').trim_start();
        if !is_directive {
            if compiled.iter().all(|is| *is) {
                plain.extend(all_of(source, from, to, "", false));
            }
        } else if text.starts_with("if") {
            compiled.push(!text.starts_with("ifdef __bpf__"));
        } else if text.starts_with("else") {
            compiled.last_mut().into_iter().for_each(|is| *is = !*is);
        } else if text.starts_with("endif") {
            compiled.pop();
        } else if let Some(macro_of) = text.strip_prefix("define ") {
            let name_length = macro_of.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            let name = &macro_of[..name_length.unwrap_or(macro_of.len())];
            let body = to - macro_of.len() + name.len();
            if compiled.iter().all(|is| *is) && !source[body..].starts_with('(') {
                tokens.extend(all_of(source, body, to, name, true));
            }
        }
    }
    tokens.extend(in_functions(plain));
    tokens
}

/// The tokens in the bodies of functions, with their function's name.
fn in_functions(tokens: Vec<Token<'_>>) -> Vec<Token<'_>> {
    let (mut kept, mut depth, mut function, mut before) = (Vec::new(), 0_u32, None, ["", ""]);
    // The word before the first parenthesis on the outside.
    let mut named = "";
    for token in tokens {
        if depth == 0 && token.text == "(" && before[1] != ")" {
            named = before[1];
        }
        if token.text == "{" {
            if depth == 0 {
                function = (before[1] == ")").then_some(named);
            }
            depth += 1;
        }
        if token.text == "}" {
            depth = depth.saturating_sub(1);
        }
        before = [before[1], token.text];
        if let Some(within) = function.filter(|_| depth > 0) {
            kept.push(Token { within, ..token });
        }
    }
    kept
}
