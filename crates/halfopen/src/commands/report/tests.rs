//! What [`super`] advises and says.

use super::*;
use crate::control::{ScopeKind, ScopeStatus, TrustStatus};
use halfopen_policy::{Ledger, Limits};

fn status(mode: ModeStatus, ledger: Ledger, counting_for_s: u64) -> Status {
    Status {
        mode,
        others: Harm::of_scope(&ledger),
        counting_since: "2030-01-31T12:00:00.000Z".parse().unwrap(),
        counting_for_s,
        ..Status::of_host(ScopeStatus::new("host", ScopeKind::Host, &Limits::xp_sp2(), &ledger))
    }
}

fn steps(status: &Status) -> Vec<Step> {
    Report::of(status).advice.iter().map(|advice| advice.step).collect()
}

#[test]
fn where_first_contacts_cost_credit_it_is_that_which_is_raised() {
    let harmed = Ledger { gave_up_while_queued: 3, ..Ledger::default() };
    let mut status = status(ModeStatus::Enforce, harmed, 60);
    assert!(steps(&status).contains(&Step::RaiseHalfOpen));
    let ledger = Ledger::default();
    let account = ScopeStatus::new("adaptive[/a]", ScopeKind::Account, &Limits::xp_sp2(), &ledger);
    let trust = TrustStatus { credit: Some(3), ..TrustStatus::default() };
    status.scopes.push(ScopeStatus { trust, ..account });
    let steps = steps(&status);
    assert!(steps.contains(&Step::RaiseFirstContacts) && !steps.contains(&Step::RaiseHalfOpen), "{steps:?}");
}

#[test]
fn a_quiet_audit_may_enforce() {
    let quiet = status(ModeStatus::Audit, Ledger { admitted: 70, ..Ledger::default() }, 274_000);
    assert_eq!(steps(&quiet), [Step::TryEnforcing]);
    let text = Report::of(&quiet).text(&quiet);
    assert!(text.starts_with("gave up while queued: 0 of 70 attempts of this host, in 3 d 4 h"), "{text}");
    assert!(text.contains("Nothing would have been held in 3 d 4 h: enforcing is safe so far"), "{text}");
}

#[test]
fn an_audit_that_would_have_held_names_the_next_step() {
    let ledger = Ledger { admitted: 70, would_have_waited: 60, ..Ledger::default() };
    let busy = status(ModeStatus::Audit, ledger, 60);
    assert_eq!(steps(&busy), [Step::KnowThePrograms, Step::RaiseHalfOpen, Step::TryEnforcing, Step::WatchOn]);
    let text = Report::of(&busy).text(&busy);
    assert!(
        text.contains("60 attempts found every slot taken") && text.contains("set half_open 15"),
        "{text}"
    );
}

#[test]
fn harm_is_said_first_and_has_advice() {
    let ledger = Ledger {
        admitted: 10,
        released: 5,
        gave_up_while_queued: 3,
        queued: 1,
        refused_overflow: 2,
        ..Ledger::default()
    };
    let harmed = status(ModeStatus::Enforce, ledger, A_DAY);
    assert_eq!(steps(&harmed), [Step::KnowThePrograms, Step::RaiseHalfOpen, Step::RaiseQueue]);
    let report = Report::of(&harmed);
    assert_eq!((report.attempts, report.host.held), (21, 9));
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!((&json["gave_up_while_queued"], &json["attempts"]), (&3.into(), &21.into()));
    let well = Ledger { admitted: 3, released: 9, ..Ledger::default() };
    assert_eq!(steps(&status(ModeStatus::Enforce, well, A_DAY)), [Step::NothingToDo]);
    assert_eq!(
        steps(&status(ModeStatus::Enforce, Ledger { cancelled: 1, ..well }, A_DAY)),
        [Step::KnowThePrograms]
    );
    assert_eq!(steps(&status(ModeStatus::Enforce, Ledger::default(), A_DAY)), [Step::WatchOn]);
    assert_eq!(steps(&status(ModeStatus::Off, Ledger::default(), A_DAY)), [Step::Count]);
}
