//! The page.

use halfopen_sim::band::Band;
use halfopen_sim::report::{Slowdowns, show_band, show_factor, show_share, show_time, show_wait};
use halfopen_sim::study::{CaseResult, Study};
use std::fmt::Write;

pub fn page(
    main: &Study,
    shares: &[Slowdowns],
    runs_of_shares: u32,
    variations: &[(&'static str, Study)],
    beside: &Study,
) -> String {
    let mut page = String::new();
    let runs = main.cases.first().map_or(0, |case| case.runs);
    let _ = write!(page, "{}", include_str!("head.md"));
    let _ = write!(page, "{}", answer(main, variations));
    let _ = writeln!(
        page,
        "\n## The numbers\n{} vulnerable hosts, {runs} runs, seed {}. In brackets: the band of 95 % of the runs.\n",
        main.hosts, main.seed
    );
    page += "| hosts limited | half infected | nine in ten infected | times slower | let out in the first minute | in the first hour |\n";
    page += "| --- | --- | --- | --- | --- | --- |\n";
    for case in &main.cases {
        let [minute, hour] = case.limiters.first().map_or([0.0; 2], |one| [one.first_minute, one.first_hour]);
        let _ = writeln!(
            page,
            "| {} | {} | {} | {} | {minute:.0} | {hour:.0} |",
            case.name,
            show_band(case.half, show_time),
            show_band(case.nine_tenths, show_time),
            show_band(case.slowdown, show_factor)
        );
    }
    page += "\nIn one run in three, all ten hosts at the start are among the 90 %. Then it takes more than a day until the first host \
             without a limit is reached, and the band is wide.\n";
    page += "\n![The share of hosts infected by the time](sasser/course.svg)\n";
    let _ = write!(
        page,
        "\n## By the share of hosts that are limited\nA tenth of the hosts, 100 infected at the start, {runs_of_shares} runs. Unlimited hosts \
         set the pace: however strict a limit is, the worm is only about twice as slow if half of the hosts have it.\n\n\
         | share | {} |\n| --- |{}\n",
        shares.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(" | "),
        " --- |".repeat(shares.len())
    );
    for share in std::iter::once(0.0).chain(super::shares::SHARES) {
        let cells = shares.iter().map(|(_, points)| {
            points.iter().find(|(at, _)| (at - share).abs() < 1e-9).map_or_else(
                || "never within a year".to_owned(),
                |(_, [median, low, high])| {
                    show_band(Band { median: Some(*median), low: Some(*low), high: Some(*high) }, show_factor)
                },
            )
        });
        let _ = writeln!(page, "| {} | {} |", show_share(share), cells.collect::<Vec<_>>().join(" | "));
    }
    page += "\n![Times slower by the share of hosts limited](sasser/shares.svg)\n";
    let runs = variations.first().and_then(|(_, study)| study.cases.first()).map_or(0, |case| case.runs);
    let _ = write!(
        page,
        "\n## What would change the answer\nOne assumption changed at a time; all hosts limited; {runs} runs. Times slower than unlimited hosts under \
         the same assumption.\n\n"
    );
    page += "| changed | half infected, unlimited | xp-sp2-rate | xp-sp2-slots | adaptive |\n| --- | --- | --- | --- | --- |\n";
    for (name, study) in variations {
        let factors = study.cases.iter().skip(1).map(|case| show_band(case.slowdown, show_factor));
        let half = study.cases.first().map_or_else(String::new, |case| show_band(case.half, show_time));
        let _ = writeln!(page, "| {name} | {half} | {} |", factors.collect::<Vec<_>>().join(" | "));
    }
    page += "\n## What legitimate programs notice\nOn a host that Sasser has, and on one that it has not: how long answered dials wait beyond the round trip. All six programs run at once, \
             so under a limit for the whole host they wait for each other.\n\n";
    page += "| program | limited by | worm on the host | median | one in a hundred | longest | no answer |\n| --- | --- | --- | --- | --- | --- | --- |\n";
    for limiter in beside.cases.iter().flat_map(|case| &case.limiters) {
        for program in &limiter.programs {
            let _ = writeln!(
                page,
                "| {} | {} | {} | {} | {} | {} | {} |",
                program.name,
                limiter.name,
                if program.with_worm { "yes" } else { "no" },
                show_wait(program.median),
                show_wait(program.one_in_a_hundred),
                show_wait(program.longest),
                show_share(program.unanswered)
            );
        }
    }
    let _ = write!(page, "{}", include_str!("foot.md"));
    page
}

fn answer(main: &Study, variations: &[(&'static str, Study)]) -> String {
    let range = |limiter: &str| {
        let of = |case: &CaseResult| case.name == limiter;
        let cases = variations.iter().flat_map(|(_, study)| study.cases.iter().filter(|case| of(case)));
        let medians = cases.filter_map(|case| case.slowdown.median);
        let (least, most) =
            medians.fold((f64::INFINITY, 0.0_f64), |(least, most), one| (least.min(one), most.max(one)));
        format!("{} to {}", show_factor(least), show_factor(most))
    };
    let of_main = |limiter: &str| {
        let case = main.cases.iter().find(|case| case.name == limiter);
        case.map_or_else(String::new, |case| show_band(case.slowdown, show_factor))
    };
    let mut text = "| all hosts limited by | times slower until half are infected | over all variations below |\n| --- | --- | --- |\n".to_owned();
    for limiter in ["xp-sp2-rate", "xp-sp2-slots", "adaptive"] {
        let _ = writeln!(text, "| {limiter} | {} | {} |", of_main(limiter), range(limiter));
    }
    text
}
