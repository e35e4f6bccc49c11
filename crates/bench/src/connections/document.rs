//! The page that shows it all.

use std::fmt::Write;

use halfopen_bench::peers::Peer;

use crate::connections::workload::Workload;
use crate::connections::{Outcome, programs, table};

/// What is written by hand, with the names of what is measured in braces.
const FRAME: &str = include_str!("connections.md");

pub fn page(made_of: &str, limiters: &[Peer], outcomes: &[Outcome], run: &[programs::Run]) -> String {
    let mut rules = String::new();
    for peer in limiters {
        let _ = write!(rules, "### {}\n{}\n", peer.id, peer.says);
        if let Some(file) = &peer.rules {
            let _ = write!(rules, "\n`{}`:\n```\n{}```\n", file.file, file.text);
        }
        rules.push('\n');
    }
    let mut page = FRAME.replace("{made_of}", made_of).replace("{limiters}", rules.trim_end());
    page = page.replace("{programs}", programs::table(run).trim_end());
    for workload in Workload::ALL {
        page = page.replace(&format!("{{{}}}", workload.name()), table::of(workload, outcomes).trim_end());
    }
    page
}
