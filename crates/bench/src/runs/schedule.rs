use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::thread;

/// Works jobs off in their order, `at_once` at a time; those that are to be `alone` have the machine to themselves and
/// come first. The results are in the order of the jobs.
pub fn work_off<J: Send, T: Send>(
    jobs: Vec<J>,
    at_once: usize,
    alone: impl Fn(&J) -> bool,
    run: impl Fn(&J) -> T + Sync,
) -> Vec<(J, T)> {
    let (mut lone, mut others) = (Vec::new(), VecDeque::new());
    for (place, job) in jobs.into_iter().enumerate() {
        if alone(&job) {
            lone.push((place, job));
        } else {
            others.push_back((place, job));
        }
    }
    let work = |(place, job): (usize, J)| {
        let result = run(&job);
        (place, job, result)
    };
    let done = Mutex::new(lone.into_iter().map(work).collect::<Vec<_>>());
    let others = Mutex::new(others);
    let next = || others.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
    let work_on = || {
        while let Some(job) = next() {
            let worked = work(job);
            done.lock().unwrap_or_else(PoisonError::into_inner).push(worked);
        }
    };
    thread::scope(|scope| {
        for _ in 0..at_once.max(1) {
            scope.spawn(work_on);
        }
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(place, ..)| *place);
    done.into_iter().map(|(_, job, result)| (job, result)).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn lone_jobs_have_no_company_the_others_do_and_results_are_in_the_order_of_the_jobs() {
        let (running, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let jobs: Vec<usize> = (0..12).collect();
        let alone = |job: &usize| job.is_multiple_of(4);
        let done = work_off(jobs, 3, alone, |job| {
            running.fetch_add(1, Ordering::SeqCst);
            // Company that is to come has time to; company that is not has time to show.
            let patience = Duration::from_millis(if alone(job) { 50 } else { 2_000 });
            let deadline = Instant::now() + patience;
            let mut company = 0;
            while company == 0 && Instant::now() < deadline && (alone(job) || most.load(Ordering::SeqCst) < 2)
            {
                company = running.load(Ordering::SeqCst) - 1;
                most.fetch_max(company + 1, Ordering::SeqCst);
                thread::yield_now();
            }
            running.fetch_sub(1, Ordering::SeqCst);
            company
        });
        assert!(done.iter().map(|(job, _)| *job).eq(0..12));
        assert!(done.iter().filter(|(job, _)| alone(job)).all(|(_, company)| *company == 0), "{done:?}");
        assert!((2..=3).contains(&most.load(Ordering::SeqCst)), "{most:?} at once");
    }
}
