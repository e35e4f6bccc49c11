use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{Line, Report, Spec, Style, Voice};
use crate::{Cgroup, LabError};

pub(super) fn dial<W: Write + Send>(
    spec: &Spec,
    task: usize,
    dials: usize,
    children: usize,
    voice: &Voice<W>,
) -> Result<(), LabError> {
    let parts: Vec<_> = spec.destinations.chunks(dials.max(1)).collect();
    let (next, cgroups) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let work = || -> Result<(), LabError> {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(part) = parts.get(number) else { return Ok(()) };
            let cgroup = Cgroup::below_own(&format!("task-{task}-child-{number}"))?;
            let spec = Spec {
                destinations: part.to_vec(),
                style: Style::AtOnce,
                until_stdin_closes: true,
                at_us: Vec::new(),
                ..spec.clone()
            };
            have_dialled(&spec, &cgroup, |report| {
                voice.say(&Line::Done(Report {
                    task,
                    index: number * dials.max(1) + report.index,
                    ..report
                }));
            })?;
            cgroups.lock().unwrap_or_else(PoisonError::into_inner).push(cgroup);
        }
    };
    std::thread::scope(|scope| {
        let parents: Vec<_> = (0..children.max(1)).map(|_| scope.spawn(work)).collect();
        let ended = parents
            .into_iter()
            .map(|parent| parent.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        ended.collect::<Result<(), _>>()
    })?;
    voice.say(&Line::AllDialled(task));
    Ok(())
}

/// A child dials all of `spec`, reports and is ended.
fn have_dialled(spec: &Spec, cgroup: &Cgroup, hear: impl Fn(Report)) -> Result<(), LabError> {
    let program = std::env::current_exe().map_err(LabError::io("find the running program"))?;
    let mut child = cgroup
        .command(program)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(LabError::io("start a child that dials"))?;
    let (Some(mut stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
        unreachable!("both were asked for");
    };
    let text = serde_json::to_string(spec).map_err(std::io::Error::from);
    let told = text.and_then(|text| writeln!(stdin, "{text}"));
    told.map_err(LabError::io("tell a child what to dial"))?;
    for line in BufReader::new(stdout).lines().map_while(Result::ok) {
        match serde_json::from_str(&line) {
            Ok(Line::Done(report)) => hear(report),
            Ok(Line::AllDone(_)) => break,
            Ok(Line::AllDialled(_)) => {}
            Err(error) => tracing::debug!(%line, %error, "not a dialer's line"),
        }
    }
    // It ends when its stdin is closed, which this process' end would do too.
    drop(stdin);
    child.wait().map_err(LabError::io("wait for a child that dials")).map(drop)
}
