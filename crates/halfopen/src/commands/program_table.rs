//! A table, for people, of programs and what waiting did to them.

use crate::control::{Harm, ProgramStatus, status::seconds};
use crate::events::text::plain;

/// The first `most` of `programs`, which are the most harmed, and one line for all others. Nothing if nothing happened.
pub fn lines(programs: &[ProgramStatus], others: &Harm, most: usize) -> Vec<String> {
    let (listed, rest) = programs.split_at(most.min(programs.len()));
    let others = rest.iter().fold(*others, |sum, program| add(&sum, &program.harm));
    if listed.is_empty() && others.is_none() {
        return Vec::new();
    }
    let mut lines = vec![format!(
        "{:>8}  {:>8}  {:>8}  {:>12}  {:>12}  program",
        "gave up", "refused", "held", "longest wait", "would wait"
    )];
    let row = |harm: &Harm, longest: String, who: &str| {
        format!(
            "{:>8}  {:>8}  {:>8}  {longest:>12}  {:>12}  {who}",
            harm.gave_up_while_queued, harm.refused_overflow, harm.held, harm.would_have_waited
        )
    };
    lines.extend(listed.iter().flat_map(|program| {
        let numbers = row(&program.harm, seconds(program.longest_wait_ms), &plain(&program.comm));
        [numbers, format!("    {}", known_of(program))]
    }));
    if !others.is_none() {
        lines.push(row(&others, "-".into(), "others"));
    }
    lines
}

/// What is known of the program besides the name that it gave itself.
fn known_of(program: &ProgramStatus) -> String {
    let exe = program.exe.as_deref().map(plain);
    let user = Some(format!("user {}", plain(&program.user)));
    let cgroup = program.cgroup.as_deref().map(|path| format!("cgroup {}", plain(path)));
    let runs_in = program.runs_in.named().map(|named| plain(&named));
    let known: Vec<String> = [exe, user, cgroup, runs_in].into_iter().flatten().collect();
    known.join(", ")
}

fn add(a: &Harm, b: &Harm) -> Harm {
    Harm {
        gave_up_while_queued: a.gave_up_while_queued + b.gave_up_while_queued,
        refused_overflow: a.refused_overflow + b.refused_overflow,
        held: a.held + b.held,
        released: a.released + b.released,
        cancelled: a.cancelled + b.cancelled,
        would_have_waited: a.would_have_waited + b.would_have_waited,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runs_in::RunsIn;

    fn program(comm: &str, gave_up: u64) -> ProgramStatus {
        ProgramStatus {
            pid: 7,
            comm: comm.into(),
            exe: None,
            cgroup: Some("/a".into()),
            user: "root".into(),
            runs_in: RunsIn::of_path("/lxc.payload.a\n"),
            harm: Harm { gave_up_while_queued: gave_up, held: 10, ..Harm::default() },
            waited_ms: 0,
            longest_wait_ms: 1_500,
        }
    }

    #[test]
    fn those_not_shown_are_summed_up() {
        let lines = lines(&[program("a\n", 2), program("b", 1), program("c", 0)], &Harm::default(), 1);
        assert!(
            lines[1].contains("1.500 s")
                && lines[1].ends_with("  a\\x0a")
                && lines[2] == "    user root, cgroup /a, container a\\x0a",
            "{lines:?}"
        );
        assert_eq!(lines[3].split_whitespace().collect::<Vec<_>>(), ["1", "0", "20", "-", "0", "others"]);
        assert_eq!((lines.len(), super::lines(&[], &Harm::default(), 5).len()), (4, 0));
    }
}
