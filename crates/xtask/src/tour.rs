//! `make tour`: the program at work against a real scanner, in a network without a route out. README shows what it prints.

use anyhow::{Context, Result, ensure};
use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Duration;
use testkit::{Cgroup, Host, HostKind, Lab, Limiter, Service, run_within};

/// Long enough for each step on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);
const NO_PRIVILEGE: u8 = 3;
/// Nobody answers at the addresses that it tries.
const SCAN: &str = "nmap -sT -Pn -n -p80 --min-parallelism 250 --initial-rtt-timeout 8s 198.18.1.0-250";
/// The first command.
const START: &str = "# halfopen run ";
/// A host that answers.
const SHOP: Ipv4Addr = Ipv4Addr::new(198, 18, 200, 1);
const SHOP_PORT: u16 = 8080;
const INTRODUCTION: &str = "\
A tour of halfopen: a scan, limited. All of it happens in a network of its own that has no route out: no packet leaves
this host. Only the cgroup of the tour is limited; the programs of this host are not.
";

/// Takes the tour, and shows it as it goes. `page`: a document whose transcript becomes this one.
pub fn run(page: Option<&Path>) -> Result<ExitCode> {
    if let Err(missing) = Lab::available() {
        eprintln!("The tour cannot begin: {missing}");
        return Ok(ExitCode::from(NO_PRIVILEGE));
    }
    println!("{INTRODUCTION}");
    let transcript = take(|line| println!("{line}"))?;
    if let Some(page) = page {
        let text = fs::read_to_string(page).with_context(|| format!("reading {}", page.display()))?;
        let shown = transcript_in(&text).with_context(|| format!("{} has no transcript", page.display()))?;
        fs::write(page, text.replace(shown, &of_any_host(&transcript)))
            .with_context(|| format!("writing {}", page.display()))?;
    }
    println!("\nThat was all: the scan has ended, and nothing of the tour is left.");
    Ok(ExitCode::SUCCESS)
}

/// The commands and what they say. `show` is given each line as it comes.
fn take(mut show: impl FnMut(&str)) -> Result<String> {
    let mut transcript = String::new();
    let mut say = |text: &str| {
        for line in text.lines() {
            show(line);
            transcript.extend([line, "\n"]);
        }
    };
    let lab = Lab::builder().quiet().build()?;
    let services = lab.new_cgroup("services")?;
    let (scan, other) = (services.child("scan")?, services.child("shop")?);
    let _server = serve(&lab)?;

    say(&format!("{START}--cgroup {} &", services.path().display()));
    let limiter = Limiter::builder(&lab).set("preset", "adaptive").set("resolvers", "192.0.2.53");
    let limiter = limiter.limited(&services).start()?;
    let log = limiter.stderr();
    say(log.lines().find(|line| line.starts_with("halfopen: ready: ")).context("a line with `ready`")?);

    say(&format!("# {SCAN} &   # in a service"));
    let _scan = Ended(begin(&lab, &scan, SCAN)?);
    limiter.await_status("attempts to wait", PATIENCE, |status| status.host.queued > 0)?;
    let url = format!("http://{SHOP}:{SHOP_PORT}/");
    say(&format!("# curl -s -o /dev/null -w 'connected after %{{time_connect}} s' {url}   # in another"));
    let mut curl = lab.client().command_in(&other, "curl");
    curl.args(["-s", "-o", "/dev/null", "-w", "connected after %{time_connect} s", &url]);
    say(&said(&mut curl)?);
    await_event(&limiter)?;
    for (command, remark) in [
        ("status", ""),
        ("events", ""),
        ("set half_open 50", "            # in force at once; --save keeps it"),
        ("off", ""),
    ] {
        say(&format!("# halfopen {command}{remark}"));
        say(&said(limiter.command().args(command.split(' ')))?);
    }
    Ok(transcript)
}

/// A web server at [`SHOP`].
fn serve(lab: &Lab) -> Result<Service> {
    lab.place(&[Host { address: SHOP.into(), kind: HostKind::Live }])?;
    let mut server = lab.world().command("python3");
    server.args(["-m", "http.server", &SHOP_PORT.to_string(), "--directory", "/var/empty"]);
    Ok(Service::listening(&mut server, lab.client(), (SHOP, SHOP_PORT).into())?)
}

fn begin(lab: &Lab, cgroup: &Cgroup, command: &str) -> Result<Child> {
    let mut words = command.split(' ');
    let mut program = lab.client().command_in(cgroup, words.next().unwrap_or_default());
    program.args(words).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    program.spawn().with_context(|| format!("running `{command}`"))
}

/// Waits until event 4226 has been sent.
fn await_event(limiter: &Limiter) -> Result<()> {
    let begun = std::time::Instant::now();
    while limiter.events()?.iter().all(|event| event.id != 4226) {
        ensure!(begun.elapsed() < PATIENCE, "no event 4226 after {PATIENCE:?}: {}", limiter.stderr());
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

/// What a command prints for the one who typed it.
fn said(command: &mut Command) -> Result<String> {
    let ran = run_within(command, PATIENCE)?;
    ensure!(ran.succeeded(), "{command:?} failed: {}{}", ran.stdout, ran.stderr);
    Ok(ran.stdout + &ran.stderr)
}

/// Killed when dropped.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        // Both fail only where it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Without what is as it is on this host alone: what it lacks, and where it has mounted what.
fn of_any_host(transcript: &str) -> String {
    let mut shown = String::new();
    let mut is_left_out = false;
    for line in transcript.lines() {
        if !line.starts_with("    ") {
            is_left_out = ["degraded: ", "connection tracking: "].iter().any(|start| line.starts_with(start));
        }
        if !is_left_out {
            shown.extend([&line.replace("/sys/fs/cgroup/unified/", "/sys/fs/cgroup/"), "\n"]);
        }
    }
    shown
}

/// The block of `page` that is a transcript of the tour.
fn transcript_in(page: &str) -> Option<&str> {
    let start = page.find(START)?;
    let length = page[start..].find("```")?;
    Some(&page[start..start + length])
}

#[cfg(test)]
mod tests {
    use super::*;
    use testkit::require_lab;

    const README: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../README.md");

    /// Without what is another at each run: numbers, how they are aligned, and where lines end for their sake.
    fn normalised(transcript: &str) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        for line in of_any_host(transcript).lines() {
            let mut words: Vec<String> = line.split_whitespace().map(numberless).collect();
            if let Some(at) = words.iter().position(|word| word == "config_hash") {
                words.remove(at + 1);
            }
            match lines.last_mut() {
                Some(last) if line.starts_with("    ") => last.extend([" ", &words.join(" ")]),
                _ => lines.push(words.join(" ")),
            }
        }
        lines
    }

    /// Each number is 0.
    fn numberless(word: &str) -> String {
        let mut shown = String::new();
        for letter in word.chars() {
            let letter = if letter.is_ascii_digit() { '0' } else { letter };
            if !(letter == '0' && shown.ends_with('0')) {
                shown.push(letter);
            }
        }
        shown
    }

    #[test]
    fn the_transcript_in_readme_is_what_the_tour_prints() {
        require_lab!();
        let page = fs::read_to_string(README).unwrap();
        let shown = transcript_in(&page).expect("a transcript in README.md");
        let printed = take(|_| {}).unwrap();
        assert!(
            normalised(shown) == normalised(&printed),
            "README.md shows another tour than `make tour` prints now:\n{printed}\n\
             `target/release/xtask tour --write README.md` puts it there"
        );
    }

    #[test]
    fn numbers_and_their_places_do_not_matter_but_words_do() {
        let (one, other) = ("queued 214, x\nmore\n    12 s", "queued   7, x\nmore 1 s");
        assert_eq!(normalised(one), normalised(other));
        assert_ne!(normalised(one), normalised("held 214, x\nmore 12 s"));
    }
}
