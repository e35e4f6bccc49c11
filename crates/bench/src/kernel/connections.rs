//! What connect, accept and close take with the limiter, over what they take without: one process makes connections
//! in short rounds, in a cgroup that is limited and in one that is not by turns.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use anyhow::Result;
use testkit::{Lab, Limiter, Spread, WORLD_V4};

use crate::kernel::connector::Connector;
use crate::kernel::report::{Aim, Row};

const PAIRS: usize = 200;
const ROUND: Duration = Duration::from_millis(40);
const MOST: f64 = 1.04;

pub fn measure() -> Result<Vec<Row>> {
    let lab = Lab::new()?;
    let unlimited = lab.new_cgroup("unlimited")?;
    let mut rows = Vec::new();

    let limiter = Limiter::builder(&lab).start()?;
    let mut connector = Connector::start(&unlimited, lab.world(), lab.client(), IpAddr::V4(WORLD_V4))?;
    connector.listen()?;
    rows.push(compare("connect+accept+close on veth, with / without", || {
        let with = connector.connect(lab.cgroup(), 0, ROUND)?.each;
        Ok((with, connector.connect(&unlimited, 0, ROUND)?.each))
    })?);
    limiter.stop()?;

    // On loopback both ends of a limited connection belong to limited programs.
    let limiter = Limiter::builder(&lab).set("exempt", "[]").start()?;
    let mut connector =
        Connector::start(&unlimited, lab.client(), lab.client(), IpAddr::V4(Ipv4Addr::LOCALHOST))?;
    connector.listen()?;
    connector.move_to(lab.cgroup())?;
    connector.listen()?;
    rows.push(compare("the same on loopback, not exempt", || {
        let with = connector.connect(lab.cgroup(), 1, ROUND)?.each;
        Ok((with, connector.connect(&unlimited, 0, ROUND)?.each))
    })?);
    limiter.stop()?;
    Ok(rows)
}

/// Each pair of rounds gives a ratio; what disturbs the machine for longer than a pair disturbs both of it.
fn compare(what: &str, mut pair: impl FnMut() -> Result<(Duration, Duration)>) -> Result<Row> {
    let pairs = (0..PAIRS).map(|_| pair()).collect::<Result<Vec<_>>>()?;
    let micros = |time: Duration| time.as_secs_f64() * 1e6;
    let without = Spread::of(pairs.iter().map(|(_, without)| micros(*without)));
    let more = Spread::of(pairs.iter().map(|(with, without)| micros(*with) - micros(*without)));
    let ratio = Spread::of(pairs.iter().map(|(with, without)| with.as_secs_f64() / without.as_secs_f64()));
    let note = format!(
        "{:.2} us more than {:.1} us; half of the pairs within {:.3} to {:.3}",
        more.median(),
        without.median(),
        ratio.quantile(0.25),
        ratio.quantile(0.75)
    );
    Ok(Row { what: what.to_owned(), aim: Some(Aim::Below(MOST)), value: ratio, unit: "", decimals: 3, note })
}
