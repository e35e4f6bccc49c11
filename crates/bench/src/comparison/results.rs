//! All that was measured.

use halfopen_bench::peers::Peer;
use halfopen_bench::runs::Run;

use crate::comparison::cost::Costs;
use crate::comparison::page_load::{Beside, PageLoad};

pub struct Results {
    pub workloads: Vec<String>,
    pub limiters: Vec<Peer>,
    pub runs: Vec<Run>,
    pub pages: Vec<PageLoad>,
    pub costs: Option<Costs>,
    /// What could not be measured, and why.
    pub failures: Vec<String>,
}

impl Results {
    pub fn runs_of(&self, workload: &str, limiter: &str) -> Vec<&Run> {
        self.runs.iter().filter(|run| run.workload == workload && run.limiter == limiter).collect()
    }

    pub fn pages_of(&self, limiter: &str, beside: Beside) -> impl Iterator<Item = &PageLoad> {
        self.pages.iter().filter(move |page| page.limiter == limiter && page.beside == beside)
    }
}
