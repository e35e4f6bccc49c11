//! What comes through a container's link without a socket, by the credit of the link.

use halfopen_policy::FirstContact;
use halfopen_policy::gate::GateCredit;
use std::time::Duration;

const MS: Duration = Duration::from_millis(1);

/// How many of `dials`, a millisecond apart, go out.
fn let_out(gate: &mut GateCredit, dials: u32, mut heard: impl FnMut(&mut GateCredit, Duration)) -> u32 {
    (0..dials)
        .map(|dial| {
            let now = MS * dial;
            let spent = gate.spends(now);
            if spent {
                heard(gate, now);
            }
            u32::from(spent)
        })
        .sum()
}

/// 32 at once, one that was due to come back before the silences, and then fewer and fewer.
#[test]
fn a_scanner_runs_dry() {
    let mut gate = GateCredit::of_one(&FirstContact::adaptive());
    let first = let_out(&mut gate, 1_000, |_, _| ());
    assert_eq!(first, 33, "in the first second");
    assert!((gate.steps() - 33.0).abs() < f64::EPSILON);
    let later = (0..10_000).filter(|at| gate.spends(Duration::from_secs(1) + MS * *at)).count();
    assert!((2..=4).contains(&later), "{later} in ten seconds more");
}

/// On a bridge the same silences weigh an eighth.
#[test]
fn silences_of_many_weigh_less() {
    let mut gate = GateCredit::shared(&FirstContact::adaptive());
    assert_eq!(let_out(&mut gate, 32, |_, _| ()), 32);
    assert!((gate.steps() - 4.0).abs() < f64::EPSILON, "{}", gate.steps());
}

#[test]
fn who_is_answered_never_waits() {
    let mut gate = GateCredit::of_one(&FirstContact::adaptive());
    assert_eq!(let_out(&mut gate, 1_000, |gate, now| gate.is_answered(0, now)), 1_000);
    assert!(gate.steps() < 1.0, "{}", gate.steps());
}

/// Answers of one network are worth less and less.
#[test]
fn answers_of_one_network_do_not_pay_for_a_scan() {
    let mut gate = GateCredit::of_one(&FirstContact::adaptive());
    let mut answers = 0;
    let out = let_out(&mut gate, 1_000, |gate, now| {
        // Every other one is answered, all in one network.
        if answers % 2 == 0 {
            gate.is_answered(answers / 2, now);
        }
        answers += 1;
    });
    assert!((64..150).contains(&out), "{out}");
}

/// Contacts that were silent are not waited for: answers pay for as many strangers more.
#[test]
fn silence_is_heard_at_once() {
    let mut gate = GateCredit::of_one(&FirstContact::adaptive());
    let_out(&mut gate, 32, |_, _| ());
    gate.is_answered(0, MS * 40);
    assert_eq!(let_out(&mut gate, 200, |gate, now| gate.is_answered(0, now)), 200);
    let more = (0..300).filter(|_| gate.spends(MS * 500)).count();
    assert!(more > 150, "{more}");
}

/// Answers of another container cost nothing, and earn nothing.
#[test]
fn what_proves_nothing_changes_nothing() {
    let adaptive = FirstContact::adaptive();
    let untested = FirstContact { answers_of_a_scan: None, ..adaptive };
    for mut gate in [GateCredit::of_one(&adaptive), GateCredit::shared(&adaptive)] {
        assert_eq!(let_out(&mut gate, 500, GateCredit::is_undone), 500);
        assert_eq!((gate.steps().to_bits(), gate.silences()), (0.0_f64.to_bits(), 0));
        let rest = (0..100).filter(|_| gate.spends(MS * 500)).count();
        assert_eq!(rest, 32);
        let steps = gate.steps();
        gate.is_undone(MS * 500);
        assert!((steps - gate.steps() - steps / 32.0).abs() < 0.01, "one silence is taken back");
    }
    let mut gate = GateCredit::of_one(&untested);
    assert!(gate.spends(MS));
    gate.is_undone(MS);
    assert_eq!(gate.steps().to_bits(), 0.0_f64.to_bits());
}
