//! Models of outbreaks that were published.

/// When the logistic curve that starts at a share `start` reaches `share`, in seconds: di/dt = `beta` i (1 - i).
#[must_use]
pub fn logistic_when(beta: f64, start: f64, share: f64) -> f64 {
    let logit = |share: f64| (share / (1.0 - share)).ln();
    (logit(share) - logit(start)) / beta
}

/// The Analytical Active Worm Propagation model with local subnets (Chen, Gao, Kwiat 2003), for each /16.
#[derive(Debug)]
pub struct Aawp {
    /// Bits of the space's addresses.
    pub space_bits: i32,
    /// Vulnerable hosts of each /16, in the order of addresses.
    pub hosts: Vec<f64>,
    /// Scans of a host in a second: anywhere, in its /8, in its /16.
    pub rates: [f64; 3],
    /// Seconds from one step to the next.
    pub tick: f64,
}

impl Aawp {
    /// The share infected after each tick, from a share `start` of each /16 until a share `end` of all.
    #[must_use]
    pub fn shares(&self, start: f64, end: f64) -> Vec<f64> {
        let all_hosts: f64 = self.hosts.iter().sum();
        let mut infected: Vec<f64> = self.hosts.iter().map(|hosts| hosts * start).collect();
        let untouched = |bits: i32, scans: f64| (1.0 - 1.0 / 2_f64.powi(bits)).powf(scans);
        let [anywhere, same_8, same_16] = self.rates.map(|rate| rate * self.tick);
        let mut shares = Vec::new();
        while shares.last().is_none_or(|share| *share < end) {
            let all: f64 = infected.iter().sum();
            let far = untouched(self.space_bits, anywhere * all);
            let blocks: Vec<f64> = infected.chunks(256).map(|block| block.iter().sum()).collect();
            for (group, (infected, hosts)) in infected.iter_mut().zip(&self.hosts).enumerate() {
                let missed =
                    far * untouched(24, same_8 * blocks[group / 256]) * untouched(16, same_16 * *infected);
                *infected += (hosts - *infected) * (1.0 - missed);
            }
            shares.push(infected.iter().sum::<f64>() / all_hosts);
        }
        shares
    }
}

/// The two-factor model (Zou, Gong, Towsley 2002).
#[derive(Debug)]
pub struct TwoFactor {
    /// New infections of one host among free ones only, in an hour.
    pub beta: f64,
    /// The share of the free hosts that one infected or cleaned share of all has patched, in an hour.
    pub patched: f64,
    /// The share of the infected hosts that are cleaned in an hour.
    pub cleaned: f64,
    /// The exponent of congestion.
    pub congestion: i32,
}

impl TwoFactor {
    /// The share that has the worm after each step of `step` hours, and the share that has ever had it; from a share
    /// `start`, for `hours`.
    #[must_use]
    pub fn shares(&self, start: f64, hours: f64, step: f64) -> Vec<[f64; 2]> {
        let (mut free, mut infected, mut cleaned) = (1.0 - start, start, 0.0);
        let mut shares = Vec::new();
        while shares.len() as f64 * step < hours {
            let slowed = self.beta * (1.0_f64 - infected).powi(self.congestion);
            let new = slowed * free * infected * step;
            let patched = self.patched * free * (infected + cleaned) * step;
            let gone = self.cleaned * infected * step;
            free -= new + patched;
            infected += new - gone;
            cleaned += gone;
            shares.push([infected, infected + cleaned]);
        }
        shares
    }
}
