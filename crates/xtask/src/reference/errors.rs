//! Exit codes, degradations and faults, from the program's own tables.

use super::{table, title};
use halfopen::control::Degradation;
use halfopen::exit::CODES;
use halfopen_bpf::Fault;

pub fn page() -> String {
    let mut page = title("Errors");
    page += "A command that fails says on standard error what was tried, on what, and what to do. \
             [troubleshooting.md](../use/troubleshooting.md) begins with the symptom.\n\n";
    page += "## Exit codes\n\n";
    page += &table(
        ["code", "meaning", "what to do"],
        CODES.map(|(code, meaning, advice)| [code.to_string(), meaning.to_owned(), advice.to_owned()]),
    );
    page += "## Degradations\n\nWhy the limit is less than it could be: `degraded` in `halfopen status` and \
             `halfopen doctor`, `degraded[].reason` in JSON. Each lasts until its cause is gone.\n\n";
    let rows = Degradation::ALL.iter().map(|reason| {
        let name = serde_json::to_value(reason).ok();
        let name = name.as_ref().and_then(|name| name.as_str()).unwrap_or_default();
        [format!("`{name}`"), reason.explain().to_owned(), reason.advice().to_owned()]
    });
    page += &table(["reason", "meaning", "what to do"], rows);
    page += "## Faults\n\nWhat could not be done as intended, counted since the counting began: `fault` in `halfopen \
             status`, `faults[].fault` in JSON. The log has a new kind at once, and each known kind at most once a \
             minute. [when-something-fails.md](../internals/when-something-fails.md) says what exactly happens in \
             each case.\n\n";
    let rows = Fault::ALL
        .iter()
        .map(|fault| [format!("`{}`", fault.name()), fault.explain().to_owned(), fault.advice().to_owned()]);
    page += &table(["fault", "meaning", "what to do"], rows);
    format!("{}\n", page.trim_end())
}
