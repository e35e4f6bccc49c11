//! What scenario files may say.

#![allow(clippy::unwrap_used)]

use halfopen_sim::scenario::{SCENARIOS, Scenario, WORMS, built_in_limiter};
use std::path::Path;

const GOOD: &str = r#"about = "a trial"
until = "2h"
worm = "sasser"

[population]
vulnerable = 1000

[[case]]
hosts = {}

[[case]]
hosts = { adaptive = 0.5, xp-sp2-slots = 0.25 }
"#;

fn mistake(text: &str) -> String {
    Scenario::parse("trial", Path::new("trial.toml"), text, &built_in_limiter).unwrap_err().to_string()
}

#[test]
fn all_built_in_ones_are_sound() {
    for (name, _) in SCENARIOS {
        Scenario::named(name).unwrap_or_else(|e| panic!("{name}: {e}"));
    }
    for (name, _) in WORMS {
        let text = GOOD.replace("sasser", name);
        Scenario::parse(name, Path::new("trial.toml"), &text, &built_in_limiter).unwrap();
    }
    let scenario = Scenario::parse("trial", Path::new("trial.toml"), GOOD, &built_in_limiter).unwrap();
    assert_eq!(scenario.cases[1].name, "50% adaptive + 25% xp-sp2-slots");
}

#[test]
fn a_mistake_is_told_with_its_file_and_line() {
    let wrong = [
        ("vulnerable = 1000", "vulnerable = 0", "line 6: 0 is out of range"),
        ("vulnerable = 1000", "vulnerable = 1000\nvulnerabel = 1", "line 7: unknown field `vulnerabel`"),
        ("vulnerable = 1000", "vulnerable = 1000\nbehind_nat = 1.5", "line 7: 1.5 is no share"),
        ("\"2h\"", "\"2 fortnights\"", "line 2: \"2 fortnights\" is no time"),
        ("\"sasser\"", "\"sassser\"", "line 3: there is no worm \"sassser\""),
        ("adaptive = 0.5", "adaptive = 0.8", "line 11: the shares of hosts sum to 1.05"),
        ("adaptive = 0.5", "adaptve = 0.5", "line 11: there is no policy \"adaptve\""),
        ("[population]", "programs = [\"browsr\"]\n[population]", "line 5: there is no program \"browsr\""),
    ];
    for (good, bad, told) in wrong {
        let mistake = mistake(&GOOD.replace(good, bad));
        assert!(mistake.starts_with("trial.toml, ") && mistake.contains(told), "{mistake}, not {told}");
    }
    let unknown = Scenario::named("sassser").unwrap_err().to_string();
    assert!(unknown.contains("\"sassser\"") && unknown.contains("code-red-v2"), "{unknown}");
}
