//! scratch
use crate::*;
use crate::attacks::*;

fn ms(d: Duration) -> f64 { d.as_secs_f64()*1e3 }
fn k(name: &str, d: u64) -> u64 { std::env::var(name).ok().and_then(|v| v.parse().ok()).unwrap_or(d) }

pub fn sweep() {
    let seeds = k("SEEDS", 10);
    let mut rules = halfopen_policy::FirstContact::adaptive();
    rules.credit = k("CREDIT", rules.credit.into()) as u32;
    rules.reward = k("REWARD", rules.reward.into()) as u32;
    rules.recover = Duration::from_millis(k("RECOVER", rules.recover.as_millis() as u64));
    rules.recover_most = Duration::from_secs(k("MOST", rules.recover_most.as_secs()));
    for wakes in [true, false] {
        let lim = Limiter { wakes, ..limiter::with_rules(rules) };
        println!("  wakes={wakes}");
        for name in ["a-live-last","c-live-first","c-live-last","c-shuffled","s","e","f","h","i","j"] {
            let o: Vec<Outcome> = (0..seeds).map(|s| run(&drawn(name, s), lim)).collect();
            let n = o.len() as f64;
            let dead: f64 = o.iter().map(|o| o.dead() as f64).sum::<f64>()/n;
            let maxdead = o.iter().map(Outcome::dead).max().unwrap();
            let mut new: Vec<_> = o.iter().flat_map(|o| o.waits(|x| x.peer==Peer::Stranger)).collect(); new.sort();
            let over = o.iter().map(|o| o.over.map_or(999.0, |d| d.as_secs_f64())).fold(0.0, f64::max);
            let minlive = o.iter().map(|o| o.connected.len()).min().unwrap();
            let susp = o.iter().filter(|o| o.suspect.is_some()).count();
            let first = o.iter().filter_map(|o| o.suspect).max();
            print!("   {name:12} dead {dead:6.1} max {maxdead:4} new {:6.1} min {minlive:4} med {:8.1} max {:8.1} over {over:6.2} susp {susp}/{seeds} {first:.0?}", new.len() as f64/n, ms(median(&new)), ms(longest(&new)));
            if name=="c-shuffled" {
                let at = |d: usize| o.iter().map(|o| o.connected.iter().filter(|c| c.dead_before<=d).count()).sum::<usize>() as f64/n;
                print!(" live@10 {:.1} @20 {:.1} @40 {:.1} ratio {:.3}", at(10), at(20), at(40), new.len() as f64/n/dead);
            }
            println!();
        }
        let hour = run(&scanner(1, Duration::from_mins(20)), lim);
        println!("   scanner 20min dead {}", hour.dead());
    }
    let lim = limiter::with_rules(rules);
    let s = Duration::from_secs;
    let own = accomplices(200, 1);
    let four = accomplices(200, 4);
    let one = accomplices(200, 200);
    print!("   ATTACK (200 live; dead reached)");
    for (n, w) in [
        ("at once+5x", pulses(&own, 200, 5, s(10))), ("20/10s 5x", pulses(&own, 20, 5, s(10))),
        ("5/10s 5x", pulses(&own, 5, 5, s(10))), ("1/3s 5x", pulses(&own, 1, 5, s(3))), ("1/3s 3x", pulses(&own, 1, 3, s(3))),("1/3s 2x", pulses(&own, 1, 2, s(3))),
        ("20/3s 2x", pulses(&own, 20, 2, s(3))),
        ("20/3s 1x", pulses(&own, 20, 1, s(3))),
        ("4per/24 20/10s 5x", pulses(&four, 20, 5, s(10))), ("200per/24 5x", pulses(&one, 20, 5, s(10))), 
        ("alt 1x t1 .3s", alternating(&own, 1, 1, Duration::from_millis(300))),
        ("alt 2x t1 .3s", alternating(&own, 2, 1, Duration::from_millis(300))),
        ("alt 3x t1 .3s", alternating(&own, 3, 1, Duration::from_millis(300))),
        ("alt 3x t16", alternating(&own, 3, 16, Duration::from_millis(300))),
        ("alt 3x t16 5s", alternating(&own, 3, 16, Duration::from_millis(5000))),
        ("alt 4x t128 1s", alternating(&own, 4, 128, Duration::from_millis(1000))),
    ] {
        let o = run(&w, lim);
        print!(" | {n}: {} (live {}, susp {:.0?})", o.dead(), o.connected.len(), o.suspect);
    }
    println!();
}
