//! Writes docs/measurements/validation.md and its pictures: does the simulator give what models and history give?
//!
//! `cargo run --release -p halfopen-sim --example validation_page -- [RUNS]`

use halfopen_picture::Format;
use halfopen_sim::report;
use halfopen_sim::validation::observed::{code_red_hours, nimda_minutes, slammer_seconds};
use halfopen_sim::validation::{self, Comparison};
use std::error::Error;
use std::fmt::Write;
use std::path::Path;

fn main() -> Result<(), Box<dyn Error>> {
    let runs = std::env::args().nth(1).map_or(Ok(20), |runs| runs.parse())?;
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/measurements");
    std::fs::create_dir_all(docs.join("validation"))?;
    let mut page = include_str!("validation_page/head.md").to_owned();
    let _ = writeln!(page, "The means of {runs} runs.\n");
    page += "| model | number | engine | model's | off |\n| --- | --- | --- | --- | --- |\n";
    let comparisons = validation::all(runs)?;
    for Comparison { title, numbers, .. } in &comparisons {
        for number in numbers {
            let (ours, theirs, off) = (number.ours, number.theirs, number.off_percent());
            let decimals = if theirs < 10.0 { 4 } else { 0 };
            let of = &number.of;
            let _ =
                writeln!(page, "| {title} | {of} | {ours:.decimals$} | {theirs:.decimals$} | {off:.2} % |");
        }
    }
    for (number, Comparison { title, ours, theirs, .. }) in comparisons.iter().enumerate() {
        let name = ["logistic", "aawp", "two-factor"][number];
        let picture = report::curves(title, &[("model", theirs), ("engine", ours)], &Format::Svg)?;
        std::fs::write(docs.join(format!("validation/{name}.svg")), picture)?;
        let _ = writeln!(page, "\n![{title}](validation/{name}.svg)");
    }
    page += &observed(runs)?;
    page += include_str!("validation_page/foot.md");
    std::fs::write(docs.join("validation.md"), page)?;
    Ok(())
}

fn observed(runs: u32) -> Result<String, Box<dyn Error>> {
    let mut table =
        "\n## What was observed\n| outbreak | number | simulated | observed |\n| --- | --- | --- | --- |\n"
            .to_owned();
    let _ = writeln!(
        table,
        "| Code Red v2 | hours until 99 % of 359,000 hosts are infected | {:.1} | less than 14 |",
        code_red_hours(runs)?
    );
    for (case, doubling, nine_tenths) in slammer_seconds(runs)? {
        let _ = writeln!(table, "| Slammer, {case} | seconds to double | {doubling:.2} | 8.5 |");
        let minutes = nine_tenths / 60.0;
        let _ = writeln!(table, "| Slammer, {case} | minutes until 90 % are infected | {minutes:.1} | 10 |");
    }
    let [all, second, third, _] = nimda_minutes(runs)?;
    for (what, ours, theirs) in [
        ("no limit, minutes until 15 of 16 machines are infected", all, 12),
        ("`virus-throttle`, minutes until the second one is", second, 13),
        ("`virus-throttle`, minutes until the third one is", third, 30),
    ] {
        let _ = writeln!(table, "| Nimda in HP's trial | {what} | {ours:.1} | {theirs} |");
    }
    Ok(table)
}
