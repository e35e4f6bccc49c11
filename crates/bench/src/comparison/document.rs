//! The page that shows it all.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use halfopen_bench::peers::{Means, Peer};

use crate::comparison::aims::Aim;
use crate::comparison::page_load::Beside;
use crate::comparison::results::Results;
use crate::comparison::{picture, table};

/// What is written by hand, with the names of what is measured in braces.
const FRAME: &str = include_str!("comparison.md");

pub struct Document<'a> {
    /// On which machine, and so on.
    pub made_of: &'a str,
    pub results: &'a Results,
    pub aims: &'a [Aim],
}

impl Document<'_> {
    /// Writes `name.md` into `directory`, and its pictures into `directory/name`.
    pub fn write(&self, directory: &Path, name: &str) -> Result<()> {
        let pictures = directory.join(name);
        fs::create_dir_all(&pictures).with_context(|| format!("making {}", pictures.display()))?;
        let mut workloads = String::new();
        for workload in &self.results.workloads {
            let shown = save(&pictures, name, workload, &picture::workload(self.results, workload)?)?;
            let lines = table::workload(self.results, workload);
            let _ = write!(workloads, "### {workload}\n{shown}\n{lines}\n");
        }
        let mut page = String::new();
        if !self.results.pages.is_empty() {
            for beside in Beside::ALL {
                let file = format!("g-{beside:?}").to_lowercase();
                page += &save(&pictures, name, &file, &picture::page(self.results, beside)?)?;
            }
        }
        if self.results.costs.is_some() {
            page += &save(&pictures, name, "cost", &picture::cost(self.results)?)?;
        }
        let text = FRAME
            .replace("{made_of}", self.made_of)
            .replace("{aims}", &Aim::table(self.aims))
            .replace("{workloads}", &workloads)
            .replace("{page_and_cost}", &format!("{page}\n{}", table::page_and_cost(self.results)))
            .replace("{failures}", &self.failures())
            .replace("{peers}", &peers(&self.results.limiters));
        let path = directory.join(format!("{name}.md"));
        fs::write(&path, text).with_context(|| format!("writing {}", path.display()))
    }

    fn failures(&self) -> String {
        if self.results.failures.is_empty() {
            return "Everything asked for was measured.".to_owned();
        }
        let lines: Vec<_> = self.results.failures.iter().map(|failure| format!("- {failure}")).collect();
        format!("Not measured:\n{}", lines.join("\n"))
    }
}

/// Writes one picture; the line that shows it.
fn save(pictures: &Path, name: &str, file: &str, svg: &str) -> Result<String> {
    let path = pictures.join(format!("{file}.svg"));
    fs::write(&path, svg).with_context(|| format!("writing {}", path.display()))?;
    Ok(format!("![{file}]({name}/{file}.svg)\n"))
}

/// Each with its rules as they were applied.
fn peers(limiters: &[Peer]) -> String {
    let mut text = String::new();
    for peer in limiters {
        let _ = write!(text, "### {}\n{}\n", peer.id, peer.says);
        if let Some(rules) = &peer.rules {
            let command = match &peer.means {
                Means::Nft { .. } => "nft -f",
                Means::Tc => "tc -batch",
                _ => "iptables-restore <",
            };
            let _ = write!(text, "\n`{command} {}`:\n```\n{}```\n", rules.file, rules.text);
        }
        if let Means::Queue(arguments) = &peer.means {
            let _ = write!(text, "\nThe program: `peer-queue {arguments}`\n");
        }
        for (limit, raised) in peer.limits {
            let _ = write!(text, "\nWhere its cost is measured: `{raised}` in place of `{limit}`.\n");
        }
        text.push('\n');
    }
    text
}
