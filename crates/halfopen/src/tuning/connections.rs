//! What another limit on connections would have done, from the history's minutes. Pure. As for `half_open`, each number of
//! delayed attempts is an upper bound.

use super::TARGETS;
use crate::history::MinuteRow;
use clap::ValueEnum;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// A limit on connections whose number the history can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ValueEnum)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
pub enum ConnectionLimit {
    /// How many connections may be open at once. The history knows only of times in which it was set.
    Established,
    /// How many connections may begin in a minute, with a `connect_burst` of twice as many.
    ConnectRate,
}

impl ConnectionLimit {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Established, Self::ConnectRate];

    /// Its key.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::Established => "established",
            Self::ConnectRate => "connect_rate",
        }
    }

    fn of(self, row: &MinuteRow) -> Option<u64> {
        match self {
            Self::Established => row.established_limit.map(u64::from),
            Self::ConnectRate => row.connect_limit_per_min,
        }
    }

    fn demand(self, row: &MinuteRow) -> u64 {
        match self {
            Self::Established => row.peak_open_demand,
            Self::ConnectRate => row.begun,
        }
    }
}

/// A limit on connections, and what it would have done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ConnectionLimitTried {
    /// At most this share of the answered attempts would have been delayed, in thousandths.
    pub delayed_per_mille: u64,
    /// The lowest number of which that can be said: connections, for `connect_rate` a minute.
    pub limit: u64,
    /// How many answered attempts it would have delayed at the most.
    pub delayed_at_most: u64,
    /// In how many rows of minutes it would have delayed any.
    pub minutes_over: u64,
}

/// What the minutes of a scope say of one of its limits on connections.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ConnectionTuning {
    /// The limit.
    pub limit: ConnectionLimit,
    /// What it was in the last minute, for `connect_rate` a minute; null = unlimited.
    pub now: Option<u64>,
    /// Attempts that waited, or in audit mode would have, for `established` or `connect_rate`.
    pub held: u64,
    /// Limits, the strictest first; empty where nothing was counted.
    pub limits: Vec<ConnectionLimitTried>,
    /// The number to set; null where the minutes say too little, or where it is as it should be.
    pub recommended: Option<u64>,
}

/// What `rows` say of a limit: none is of a suspect. `None` if it was not set and is not `asked` for.
pub(super) fn tuned(
    limit: ConnectionLimit,
    rows: &[&MinuteRow],
    is_asked: bool,
    is_enough: bool,
) -> Option<ConnectionTuning> {
    let now = rows.last().and_then(|row| limit.of(row));
    if now.is_none() && !is_asked {
        return None;
    }
    // Where it is not set, nothing counts open connections.
    let counted = |row: &&MinuteRow| limit == ConnectionLimit::ConnectRate || row.established_limit.is_some();
    let rows: Vec<&MinuteRow> = rows.iter().copied().filter(counted).collect();
    let answered = rows.iter().map(|row| row.established).sum();
    let limits: Vec<_> = if rows.is_empty() {
        Vec::new()
    } else {
        TARGETS.iter().map(|share| lowest(limit, &rows, answered, *share)).collect()
    };
    let advised = limits.get(1).map(|tried| tried.limit);
    Some(ConnectionTuning {
        limit,
        now,
        held: rows.iter().map(|row| row.held_by_connections).sum(),
        limits,
        recommended: advised.filter(|advised| is_enough && now != Some(*advised)),
    })
}

fn lowest(limit: ConnectionLimit, rows: &[&MinuteRow], answered: u64, share: u64) -> ConnectionLimitTried {
    let (mut too_low, mut enough) = (0, rows.iter().map(|row| limit.demand(row)).max().unwrap_or(1).max(1));
    while enough - too_low > 1 {
        let between = too_low + (enough - too_low) / 2;
        let is_enough = delayed(limit, rows, between).0 * 1_000 <= answered * share;
        *if is_enough { &mut enough } else { &mut too_low } = between;
    }
    let (delayed_at_most, minutes_over) = delayed(limit, rows, enough);
    ConnectionLimitTried { delayed_per_mille: share, limit: enough, delayed_at_most, minutes_over }
}

/// How many answered attempts such a limit would have delayed at the most, and in how many rows.
fn delayed(limit: ConnectionLimit, rows: &[&MinuteRow], number: u64) -> (u64, u64) {
    let mut begun: HashMap<&str, Begun> = HashMap::new();
    let mut sums = (0, 0);
    for row in rows {
        let is_over = match limit {
            ConnectionLimit::Established => row.peak_open_demand > number,
            ConnectionLimit::ConnectRate => {
                begun.entry(&row.account).or_default().exceeds(row.minute, row.begun, number)
            }
        };
        if is_over {
            sums = (sums.0 + row.established, sums.1 + 1);
        }
    }
    sums
}

/// What an account began in a minute and those before it, beyond a rate.
///
/// An attempt is delayed if in some time until then more began than the burst and what the rate gives in that time. A
/// time that reaches from one minute into a later one has at least the whole minutes between them. With a burst of two
/// minutes' worth, the attempts of a minute are therefore never delayed if in no row of two and more minutes up to it more
/// began than the rate gives in as many minutes.
#[derive(Default)]
struct Begun {
    /// The last minute, and the most by which minutes up to it exceeded the rate, or fell short of it.
    last: Option<(u64, i128)>,
}

impl Begun {
    fn exceeds(&mut self, minute: u64, begun: u64, per_minute: u64) -> bool {
        let rate = i128::from(per_minute);
        let beyond = i128::from(begun) - rate;
        let before = self.last.map_or(-rate, |(last, most)| {
            let idle = i128::from(minute.saturating_sub(last)).saturating_sub(1).max(0);
            if idle == 0 { most } else { (most - idle * rate).max(-rate) }
        });
        self.last = Some((minute, beyond.max(beyond + before)));
        beyond + before > 0 || beyond > rate
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(minute: u64, begun: u64, peak_open_demand: u64) -> MinuteRow {
        MinuteRow {
            minute,
            account: "a".into(),
            begun,
            established: begun,
            peak_open_demand,
            established_limit: Some(100),
            ..MinuteRow::default()
        }
    }

    #[test]
    fn what_one_minute_leaves_over_delays_the_next() {
        let rows = [row(1, 10, 0), row(2, 35, 0), row(3, 10, 0), row(4, 10, 0), row(9, 10, 0)];
        let rows: Vec<&MinuteRow> = rows.iter().collect();
        let of = |number| delayed(ConnectionLimit::ConnectRate, &rows, number);
        assert_eq!(of(23), (0, 0), "the burst takes what is beyond");
        assert_eq!(of(22), (35 + 10, 2));
        assert_eq!(of(10), (35 + 10 + 10, 3), "only the pause gives the burst back");
    }

    #[test]
    fn it_recommends_what_delays_one_in_a_thousand() {
        let mut rows: Vec<_> = (0..2_000).map(|minute| row(minute, 10, 20)).collect();
        rows.push(row(2_010, 15, 60));
        rows.push(row(2_020, 30, 90));
        let rows: Vec<&MinuteRow> = rows.iter().collect();
        let found = |limit| tuned(limit, &rows, true, true).unwrap();
        assert_eq!(found(ConnectionLimit::Established).recommended, Some(90));
        let rate = found(ConnectionLimit::ConnectRate);
        assert_eq!((rate.recommended, rate.now), (Some(15), None));
        assert_eq!(rate.limits.iter().map(|tried| tried.limit).collect::<Vec<_>>(), [10, 15, 15]);
        assert_eq!(tuned(ConnectionLimit::ConnectRate, &rows, false, true), None, "nobody asked");
    }

    #[test]
    fn nothing_is_known_of_connections_that_nothing_counted() {
        let row = MinuteRow { established_limit: None, ..row(1, 10, 0) };
        let found = tuned(ConnectionLimit::Established, &[&row], true, true).unwrap();
        assert_eq!((found.limits.len(), found.recommended), (0, None));
    }
}
