//! What one decision of the header costs in user space: the price of simulating a host.

use criterion::{Criterion, criterion_group, criterion_main};
use halfopen_policy::{Accounting, Ending, Limits, Mode, Origin, Verdict};
use std::hint::black_box;

const WAITING: usize = 10_000;
const RECHECK_NS: u64 = 512_000_000;

fn begin_and_end(criterion: &mut Criterion) {
    let mut accounting = Accounting::new(Mode::Enforce, Limits::xp_sp2());
    let mut now = 0;
    criterion.bench_function("begin and end, nothing waits", |bencher| {
        bencher.iter(|| {
            now += 1_000_000;
            let (id, verdict) = accounting.begin(now, Origin::default());
            accounting.end(now, id, Ending::Established, 0);
            black_box(verdict)
        });
    });
}

fn recheck(criterion: &mut Criterion) {
    let mut accounting = Accounting::new(Mode::Enforce, Limits::xp_sp2());
    let mut now = 0;
    let mut waiting: Vec<_> =
        (0..WAITING + 10).map(|_| accounting.begin(now, Origin::default()).0).skip(10).collect();
    let mut at = 0;
    criterion.bench_function("recheck, 10,000 wait", |bencher| {
        bencher.iter(|| {
            now += RECHECK_NS / WAITING as u64;
            let verdict = accounting.recheck(now, waiting[at]);
            if verdict == Verdict::Go {
                waiting[at] = accounting.begin(now, Origin::default()).0;
            }
            at = (at + 1) % WAITING;
            black_box(verdict)
        });
    });
}

criterion_group!(benches, begin_and_end, recheck);
criterion_main!(benches);
