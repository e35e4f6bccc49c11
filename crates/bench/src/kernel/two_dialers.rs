//! Whether connections of two cgroups on two processors wait for each other in the limiter: what one costs while the
//! other one's dialer is at work, over what it costs alone, with the limiter and without by turns.

use std::net::IpAddr;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use testkit::{Cgroup, Lab, Limiter, Spread, WORLD_V4};

use crate::kernel::connector::{Connector, Round};
use crate::kernel::report::{Aim, Row};

const ROUNDS: usize = 60;
const ROUND: Duration = Duration::from_millis(60);
const MOST: f64 = 1.1;

/// The two, each with a limited cgroup and one that is not.
struct Dialer {
    connector: Connector,
    limited: Cgroup,
    unlimited: Cgroup,
}

impl Dialer {
    fn start(lab: &Lab, name: &str, processor: usize) -> Result<Self> {
        let limited = lab.cgroup().child(name)?;
        let unlimited = lab.new_cgroup(&format!("unlimited-{name}"))?;
        let mut connector = Connector::start(&unlimited, lab.world(), lab.client(), IpAddr::V4(WORLD_V4))?;
        connector.stay_on(processor)?;
        connector.listen()?;
        Ok(Self { connector, limited, unlimited })
    }

    fn round(&mut self, is_limited: bool) -> Result<Round> {
        let cgroup = if is_limited { &self.limited } else { &self.unlimited };
        self.connector.connect(cgroup, 0, ROUND)
    }
}

/// How much slower the first is beside the second.
fn beside(one: &mut Dialer, other: &mut Dialer, is_limited: bool) -> Result<f64> {
    let alone = one.round(is_limited)?.each;
    let together = thread::scope(|scope| {
        let other = scope.spawn(|| other.round(is_limited));
        let one = one.round(is_limited);
        other.join().map_err(|_| anyhow::anyhow!("the other dialer's thread panicked"))??;
        one
    })?
    .each;
    Ok(together.as_secs_f64() / alone.as_secs_f64())
}

pub fn measure() -> Result<Vec<Row>> {
    let lab = Lab::new()?;
    let limiter = Limiter::builder(&lab).start()?;
    let mut one = Dialer::start(&lab, "one", 1).context("this needs two processors")?;
    let mut other = Dialer::start(&lab, "other", 0)?;
    let (mut with, mut without) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        with.push(beside(&mut one, &mut other, true)?);
        without.push(beside(&mut one, &mut other, false)?);
    }
    limiter.stop()?;
    let ratio = Spread::of(with.iter().zip(&without).map(|(with, without)| with / without));
    let (with, without) = (Spread::of(with), Spread::of(without));
    let note = format!(
        "half of them within {:.3} to {:.3}; without a limiter {:.3}, by turns {:.3} times that",
        with.quantile(0.25),
        with.quantile(0.75),
        without.median(),
        ratio.median()
    );
    Ok(vec![Row {
        what: "two dialers on two processors, in two cgroups: together / alone".to_owned(),
        aim: Some(Aim::Below(MOST)),
        value: with,
        unit: "",
        decimals: 3,
        note,
    }])
}
