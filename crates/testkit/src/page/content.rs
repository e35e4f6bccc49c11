//! The page itself: small files, and a script that writes down what became of them.

use std::fmt::Write;
use std::path::Path;
use std::{fs, io};

use super::NAMES;

/// How many resources the page has: as many style sheets as scripts as images.
pub const RESOURCES: usize = 60;

const KINDS: [&str; 3] = ["css", "js", "svg"];
/// Each file is filled up to so many bytes.
const SIZE: usize = 4096;
const BEGIN: &str = "<pre id=\"measured\">";
const END: &str = "</pre>";

/// The name of host number `number`; each is a site of its own to a browser.
pub fn name(number: usize) -> String {
    format!("site-{number:02}.example")
}

/// What the page has written into itself, of all its text.
pub fn measured(page: &str) -> Option<&str> {
    let (_, rest) = page.split_once(BEGIN)?;
    let (text, _) = rest.split_once(END)?;
    (!text.is_empty()).then_some(text)
}

/// Writes all files below `root`.
pub fn write(root: &Path) -> io::Result<()> {
    fs::create_dir_all(root)?;
    fs::write(root.join("index.html"), index())?;
    for number in 0..RESOURCES {
        let (kind, fill) = (kind(number), "-".repeat(SIZE));
        let text = match kind {
            "css" => format!(":root {{ --sheet-{number}: 1; }}\n/* {fill} */\n"),
            "js" => format!("window.ran = (window.ran || 0) + 1;\n// {fill}\n"),
            _ => format!(
                "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"9\" height=\"9\"><rect width=\"9\" height=\"9\"/>\
                 <!-- {} --></svg>\n",
                fill.replace('-', "=")
            ),
        };
        fs::write(root.join(format!("{number}.{kind}")), text)?;
    }
    Ok(())
}

fn kind(number: usize) -> &'static str {
    // Both resources of a name are of different kinds.
    KINDS[(number + number / NAMES) % KINDS.len()]
}

/// Counts what is there, not events: a style sheet's own may come after the page's, when the page is shown already.
fn index() -> String {
    let mut head = String::new();
    let mut body = String::new();
    for number in 0..RESOURCES {
        let kind = kind(number);
        let place = format!("http://{}:{}/{number}.{kind}", name(number % NAMES), super::WEB);
        let counted = "onload=\"note()\" onerror=\"failed++; note()\"";
        let _ = match kind {
            "css" => {
                writeln!(head, "<link rel=\"stylesheet\" data-sheet=\"{number}\" href=\"{place}\" {counted}>")
            }
            "js" => writeln!(body, "<script async src=\"{place}\" {counted}></script>"),
            _ => writeln!(body, "<img src=\"{place}\" alt=\"\" {counted}>"),
        };
    }
    format!(
        "<!doctype html>\n<html><head><meta charset=\"utf-8\"><title>sixty</title>\n\
         <link rel=\"icon\" href=\"data:,\">\n\
         <script>let failed = 0, load_ms = null;\n\
         function note() {{\n\
         const style = getComputedStyle(document.documentElement);\n\
         const links = [...document.querySelectorAll('[data-sheet]')];\n\
         const sheets = links.filter(link => style.getPropertyValue('--sheet-' + link.dataset.sheet)).length;\n\
         const images = [...document.images].filter(image => image.complete && image.naturalWidth).length;\n\
         const got = sheets + images + (window.ran || 0);\n\
         const place = document.getElementById('measured');\n\
         if (place) place.textContent = JSON.stringify({{ load_ms, got, failed }});\n\
         }}\n\
         addEventListener('load', () => {{\n\
         load_ms = performance.getEntriesByType('navigation')[0].loadEventStart;\n\
         note();\n\
         }});</script>\n\
         {head}</head><body>{BEGIN}{END}\n{body}</body></html>\n"
    )
}
