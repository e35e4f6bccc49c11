//! `per_destination`.

use crate::scene::Configured;
use testkit::desk::PATIENCE;
use testkit::dial::Outcome;
use testkit::{Dialer, Lab, Mix, Status, require_lab};

fn waiting(status: &Status) -> (i64, i64) {
    let Some(tenant) = status.scopes.iter().find(|scope| scope.name.starts_with("tenant[")) else {
        return (0, 0);
    };
    (tenant.queued, tenant.connections.as_ref().map_or(0, |of| of.waited_for_destination))
}

#[test]
fn a_full_destination_holds_nobody_back_who_goes_elsewhere() {
    require_lab!();
    let lab = Lab::new().unwrap();
    let hosts = lab.draw(&Mix { live: 2, ..Mix::default() }).unwrap();
    let [full, free] = hosts.destinations()[..] else { panic!("two were drawn") };
    let configured = Configured::for_each_cgroup("per_destination = { established = 3 }");
    let limiter = configured.limit(&lab).start().unwrap();
    let three = Dialer::new(&lab).destinations([full; 3]).spawn().unwrap();
    three.await_all_done(PATIENCE).unwrap();
    let fourth = Dialer::new(&lab).destinations([full]).spawn().unwrap();
    limiter
        .await_status("one waits for its destination", PATIENCE, |status| waiting(status) == (1, 1))
        .unwrap();
    let elsewhere = Dialer::new(&lab).destinations([free; 3]).spawn().unwrap();
    let reports = elsewhere.await_all_done(PATIENCE).unwrap();
    assert!(reports.iter().all(|report| report.outcome == Outcome::Connected), "{reports:?}");
    assert_eq!(waiting(&limiter.status().unwrap()), (1, 1));
    drop(three.kill());
    let reports = fourth.await_all_done(PATIENCE).unwrap();
    assert_eq!(reports[0].outcome, Outcome::Connected);
    assert_eq!(waiting(&limiter.status().unwrap()), (0, 1));
}
