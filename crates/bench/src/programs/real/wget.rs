//! wget crawls a site, with a connection for each page.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context, Result};
use testkit::page::web_server;
use testkit::{HostKind, Lab, Mix, run_within};

use crate::programs::condition::LIMIT;
use crate::programs::program::{Outcome, Program, Task};

pub const CRAWL: Program = Program {
    name: "wget",
    asked: "Crawl a site of 200 pages, with a connection for each",
    unit: "pages",
    wan: true,
    prepare: crawl,
};

const PORT: u16 = 8081;
const PAGES: usize = 200;
/// Pages of a list that links to them.
const LISTED: usize = 20;

fn crawl(lab: &Lab) -> Result<Task<'_>> {
    let directory = tempfile::tempdir().context("making a directory for a site")?;
    fill(&directory.path().join("root"))?;
    let web = web_server(lab, directory.path(), PORT)?;
    let target = lab.draw(&Mix { live: 1, ..Mix::default() })?.of(HostKind::Live)[0].ip();
    let go = move |cgroup: &_| {
        let _web = web;
        let mut command = lab.client().command_in(cgroup, "wget");
        command.current_dir(directory.path()).env("HOME", directory.path());
        command.args([
            "--recursive",
            "--level=3",
            "--no-http-keep-alive",
            "--no-verbose",
            "--execute",
            "robots=off",
        ]);
        command.args(["--no-directories", "--tries=3", "--directory-prefix=got"]);
        let page = format!("http://{}/page-0.html", SocketAddr::new(target, PORT));
        let ran = run_within(command.arg(page), LIMIT)?;
        let pages = fs::read_dir(directory.path().join("got")).map_or(0, |got| got.flatten().count());
        let error = |line: &str| line.contains("failed:") || line.contains("Giving up");
        Ok(Outcome::of_run(&ran, pages, PAGES, error))
    };
    Ok(Task { go: Box::new(go), targets: vec![target] })
}

fn fill(root: &Path) -> Result<()> {
    fs::create_dir(root).with_context(|| format!("making {}", root.display()))?;
    for number in 0..PAGES {
        // Page 0 links to the lists, each of these to the pages behind it.
        let links = match number {
            0 => (1..=PAGES / LISTED).map(|list| list * LISTED).filter(|list| *list < PAGES).collect(),
            list if list % LISTED == 0 => (list + 1..list + LISTED).collect(),
            _ => Vec::new(),
        };
        let first = if number == 0 { (1..LISTED).collect() } else { Vec::new() };
        let links: Vec<String> = (links.into_iter().chain(first))
            .map(|page: usize| format!("<a href=\"page-{page}.html\">{page}</a>\n"))
            .collect();
        fs::write(root.join(format!("page-{number}.html")), links.concat())
            .with_context(|| format!("writing page {number}"))?;
    }
    Ok(())
}
