//! What the comparison is to show, and whether it does.

use std::fmt::Write;

use halfopen_bench::peers::judge::Showing;
use halfopen_bench::runs::NONE;
use serde_json::{Value, json};
use testkit::Spread;

use crate::comparison::page_load::Beside;
use crate::comparison::results::Results;

/// Whom the aims are about.
const OURS: &str = "adaptive";
const ITS_PROGRAM: &str = "nfqueue";
/// How much longer than without a limiter the page may take.
const PAGE_AIMS: [(Beside, f64); 2] = [(Beside::Elsewhere, 1.05), (Beside::SameCgroup, 1.15)];
const COST_AIM: f64 = 0.1;

/// One aim.
pub struct Aim {
    what: String,
    measured: String,
    /// `None` where something it needs was not measured.
    met: Option<bool>,
    notes: Vec<String>,
}

impl Aim {
    /// All of them, of what was measured.
    pub fn judge(results: &Results) -> Vec<Self> {
        let mut aims = vec![Self::no_peer_better(results)];
        aims.extend(PAGE_AIMS.map(|(beside, most)| Self::page(results, beside, most)));
        aims.push(Self::cost(results));
        aims
    }

    fn no_peer_better(results: &Results) -> Self {
        let (mut better, mut notes, mut judged, mut lacking) = (Vec::new(), Vec::new(), 0, Vec::new());
        for workload in &results.workloads {
            let Some(ours) = Showing::of(&results.runs_of(workload, OURS)) else {
                lacking.push(workload.clone());
                continue;
            };
            let (mut at_no_cost, mut on_dead, mut on_live) = (Vec::new(), Vec::new(), Vec::new());
            for peer in results.limiters.iter().filter(|peer| peer.id != OURS) {
                let Some(its) = Showing::of(&results.runs_of(workload, peer.id)) else {
                    lacking.push(format!("{workload} with {}", peer.id));
                    continue;
                };
                judged += 1;
                match its.better_than(&ours) {
                    better_at if better_at.on_both() => better.push(format!("{} in {workload}", peer.id)),
                    better_at if better_at.on_dead_at_no_cost() => at_no_cost.push(peer.id),
                    better_at if better_at.on_dead => on_dead.push(peer.id),
                    better_at if better_at.on_live => on_live.push(peer.id),
                    _ => {}
                }
            }
            let list = |who: &[&str]| if who.is_empty() { "nobody".to_owned() } else { who.join(", ") };
            notes.push(format!(
                "{workload}: fewer dead, live ones served the same: {}; fewer dead, live ones served worse: {}; more dead, \
                 or as many, and live ones served better: {}",
                list(&at_no_cost),
                list(&on_dead),
                list(&on_live)
            ));
        }
        if !lacking.is_empty() {
            notes.push(format!("not measured: {}", lacking.join(", ")));
        }
        let met = (judged > 0 && (lacking.is_empty() || !better.is_empty())).then_some(better.is_empty());
        let measured = if better.is_empty() {
            format!("none, of {judged} comparisons")
        } else {
            format!("{} of {judged} comparisons: {}", better.len(), better.join(", "))
        };
        Self {
            what: format!(
                "no limiter better than `{OURS}` on both dead reached and live wait, in any workload"
            ),
            measured,
            met,
            notes,
        }
    }

    fn page(results: &Results, beside: Beside, most: f64) -> Self {
        let seconds = |limiter| {
            Spread::of(results.pages_of(limiter, beside).map(crate::comparison::page_load::PageLoad::seconds))
        };
        let (ours, none) = (seconds(OURS), seconds(NONE));
        let ratio = ours.median() / none.median();
        Self {
            what: format!("g, {}: the page within {:.0} % of `{NONE}`", beside.shown(), (most - 1.0) * 100.0),
            measured: if ratio.is_nan() {
                "not measured".to_owned()
            } else {
                format!("{ratio:.3} ({:.3} s, without {:.3} s)", ours.median(), none.median())
            },
            met: (!ratio.is_nan()).then_some(ratio <= most),
            notes: Vec::new(),
        }
    }

    fn cost(results: &Results) -> Self {
        let of = |limiter| results.costs.as_ref().map_or(f64::NAN, |costs| costs.of(limiter).median());
        let (ours, its) = (of(OURS), of(ITS_PROGRAM));
        let ratio = ours / its;
        let measurable = ratio.is_finite() && its > 0.0;
        Self {
            what: format!("processor time per admitted SYN a tenth of `{ITS_PROGRAM}`'s"),
            measured: if measurable {
                format!("{ratio:.3} ({ours:.1} us of {its:.1} us)")
            } else {
                "not measured".to_owned()
            },
            met: measurable.then_some(ratio <= COST_AIM),
            notes: Vec::new(),
        }
    }

    fn outcome(&self) -> &'static str {
        match self.met {
            Some(true) => "met",
            Some(false) => "**missed**",
            None => "not measured",
        }
    }

    pub fn missed(&self) -> bool {
        self.met == Some(false)
    }

    pub fn table(aims: &[Self]) -> String {
        let mut table = "| aim | | measured |\n| --- | --- | --- |\n".to_owned();
        for aim in aims {
            let _ = writeln!(table, "| {} | {} | {} |", aim.what, aim.outcome(), aim.measured);
        }
        for note in aims.iter().flat_map(|aim| &aim.notes) {
            let _ = write!(table, "\n- {note}");
        }
        table.push('\n');
        table
    }

    pub fn to_json(&self) -> Value {
        json!({ "aim": self.what, "met": self.met, "measured": self.measured, "notes": self.notes })
    }
}
