//! `halfopen run`: owns the limiter, from the lock to the last attempt let go. A single thread: the limiter stays on
//! the thread that made it, and nothing here waits for a client.

pub(crate) mod account_name;
mod account_paths;
pub(crate) mod accounts;
mod alarm;
mod announcer;
mod chronicle;
mod dashboard;
pub(crate) mod destinations;
pub(crate) mod enforcement;
mod failed;
mod failed_start;
mod fault_log;
mod learning;
mod means;
mod metrics;
mod notify;
mod ports;
mod reconcile;
pub(crate) mod requests;
mod resolvers;
mod rule_scope;
mod seen;
mod server;
mod signals;
mod upkeep;
mod user_search;
mod wakeups;

use crate::config::general::MODE;
use crate::config::limits::{DRAIN, HALF_OPEN};
use crate::config::{Sources, save};
use crate::control::{Degradation, DegradedStatus};
use crate::dashboard::{Dashboard, Serves};
use crate::events::SystemLog;
use crate::exit::explained;
use crate::kept_counts::KeptCounts;
use crate::lock::Lock;
use crate::name_service::finding_users_here;
use crate::otlp::{Exporter, Sends};
use crate::output;
use crate::privileged::{Helper, Leave, Reach};
use crate::rate_limit::RateLimit;
use crate::recorder::{Keeps, Recorder};
use crate::runtime_dir::{RuntimeDir, StateDir, pins_of_this_host};
use crate::sandbox::{Needs, enter};
use account_paths::AccountPaths;
use alarm::Alarm;
use announcer::Announcer;
use anyhow::{Context, Result};
use enforcement::{EXEC_PARENT, Enforcement};
use failed_start::FailedStarts;
use halfopen_bpf::{CgroupDir, Keep, KernelError, Limiter, NamespaceKind, is_first, monotonic};
use means::{LookUps, Means};
use notify::Watchdog;
use reconcile::ReconcileTimes;
use requests::answer;
use server::door::Door;
use signals::Signals;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;
use tokio::io::unix::AsyncFd;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, sleep_until, timeout};

/// How often the ledgers are read.
const LOOK: Duration = Duration::from_secs(1);
/// How long the client that ends the daemon may take to read its answer.
const LAST_ANSWER: Duration = Duration::from_secs(1);

/// Why the daemon ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    /// The limit ends with the daemon.
    LetGo,
    /// Another daemon takes the limit over. Without pins there is nothing to take over.
    HandOver,
    /// Somebody has removed the pins: the limit has ended already.
    PinsRemoved,
}

/// Limits the host until a signal or `halfopen off` ends it.
///
/// # Errors
/// If the configuration is wrong, another daemon runs, or the kernel lacks something. Nothing is left behind then.
pub fn run(sources: Sources, cgroup: Option<&Path>) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    // From the first moment on: whoever ends the daemon while it loads gets a clean end as soon as it has loaded.
    let mut signals = {
        let _inside = runtime.enter();
        Signals::listen()?
    };
    let directory = RuntimeDir::of_this_host();
    let pins = std::path::absolute(pins_of_this_host())?;
    let mut failed_starts = FailedStarts::so_far(&directory);
    if !runtime.block_on(failed_starts.wait(&sources, &mut signals)) {
        return Ok(());
    }
    let ended = limit(&runtime, sources, cgroup, &directory, &pins, signals, &mut failed_starts);
    if let Err(e) = &ended {
        failed_starts.note(e, &pins);
    }
    ended
}

/// Loads the limit, and serves until something ends it.
fn limit(
    runtime: &Runtime,
    sources: Sources,
    cgroup: Option<&Path>,
    directory: &RuntimeDir,
    pins: &Path,
    signals: Signals,
    failed_starts: &mut FailedStarts,
) -> Result<()> {
    let resolved = finding_users_here(|| sources.load())?;
    let lock = Lock::take(directory)?;
    let cgroup = cgroup.map_or_else(CgroupDir::root, CgroupDir::open)?;
    let exec_parent = cgroup.path().join(EXEC_PARENT);
    let helper = Reach::new(
        pins,
        directory,
        lock.made_directory(),
        sources.path(),
        exec_parent,
        resolved.container_sources(),
    )
    .and_then(|reach| Helper::start(&reach))
    .context("cannot start the privileged helper, the part of the daemon that keeps root")?;
    let state = StateDir::of_this_host();
    runtime.block_on(async {
        let alarm = Alarm::new().context("cannot make the timer for wakeups")?;
        let keep = Keep { pins: pins.to_owned(), persist: resolved.general().persist };
        let limiter = Limiter::start(&cgroup, &resolved.settings(), Some(&keep))?;
        let recorder = Keeps::of(&resolved, &state).map(Recorder::start);
        let history = recorder.as_ref().filter(|recorder| recorder.keeps_history()).map(|_| &state);
        let exporter = Sends::of(&resolved).map(|sends| Exporter::start(&sends));
        let dashboard = Serves::of(&resolved, &state).map(|serves| Dashboard::start(&serves));
        let ready = format!(
            "halfopen: ready: pid {}, limiting {}, config_hash {}, {}",
            std::process::id(),
            cgroup.path().display(),
            resolved.hash(),
            in_short(&resolved)
        );
        let local_file = std::path::absolute(save::local_file(sources.path()))?;
        let door = Door::open(directory, resolved.general().admin_group.as_deref(), history)?;
        let mut announcer = Announcer::new(SystemLog::default(), &state, recorder);
        announcer.exporter = exporter;
        let counts = KeptCounts::open(&state, limiter.counting_since());
        let means = Means { helper, cgroup, local_file, lacks: own_namespaces(), failed_sockets: Vec::new(), look_ups: LookUps::default(), account_paths: AccountPaths::default() };
        let mut enforcement = Enforcement::new(limiter, sources, resolved, announcer, counts, means);
        enforcement.dashboard = dashboard;
        // From here on this process may not write there.
        failed_starts.over();
        enforcement.is_sandboxed(enter(&Needs::of_daemon())?);
        enforcement.follow_resolvers().context("cannot set the resolvers whose answers are read")?;
        failed_starts.begun();
        let served = serve(&mut enforcement, door, signals, &ready, alarm).await;
        notify::tell("STOPPING=1");
        enforcement.keep_counts();
        enforcement.finish_history();
        if matches!(served, Ok(Ending::HandOver)) && enforcement.is_pinned() {
            output::error_line(&format!(
                "halfopen: handed over: the limit pinned in {} stays in force until the next daemon takes it over, or \
                 until `halfopen off`",
                pins.display()
            ));
            return tidy_up(enforcement.into_helper(), lock, Leave::Limit);
        }
        if matches!(served, Ok(Ending::PinsRemoved)) {
            tracing::warn!("somebody removed {}: the limit has ended", pins.display());
        }
        let pinned = enforcement.is_pinned();
        let (stopped, helper) = enforcement.finish();
        let removed = tidy_up(helper, lock, Leave::Nothing { pins: pinned });
        let stopped = stopped.context("cannot let go of the held attempts")?;
        output::error_line(&format!(
            "halfopen: ended, nothing is limited any more; held attempts let go: {}",
            stopped.let_go
        ));
        if stopped.namespaces_missed > 0 {
            tracing::warn!(
                "network namespaces that could not be entered: {}; held attempts there keep the options of a hold",
                stopped.namespaces_missed
            );
        }
        served?;
        removed
    })
}

/// What this process cannot see of the host, and the log.
fn own_namespaces() -> Vec<Degradation> {
    if is_first(NamespaceKind::Pid) {
        return Vec::new();
    }
    let found = DegradedStatus::from(Degradation::OwnPidNamespace);
    tracing::warn!("{}", found.explanation);
    vec![found.reason]
}

/// Makes the privileged helper remove what the daemon may not remove itself, and releases the lock.
fn tidy_up(mut helper: Helper, lock: Lock, leave: Leave) -> Result<()> {
    helper
        .tidy_up(leave)
        .context("cannot clean up; the next daemon copes with what is left, and `halfopen off` removes it")?;
    lock.let_go();
    Ok(())
}

fn in_short(resolved: &crate::config::Resolved) -> String {
    let shown = |key| resolved.shown_of_host(key).0;
    format!("mode {}, half_open {}, drain {}", shown(MODE), shown(HALF_OPEN), shown(DRAIN))
}

async fn serve(
    enforcement: &mut Enforcement,
    door: Door,
    mut signals: Signals,
    ready: &str,
    mut alarm: Alarm,
) -> Result<Ending> {
    let held = readiness(enforcement.held_fd()?)?;
    let (calls, mut asked) = mpsc::channel(64);
    tokio::spawn(server::serve(door, calls));
    let (scrapes, mut asked_for_metrics) = mpsc::channel(1);
    enforcement.offer_metrics(scrapes);
    let (wants, mut wanted) = mpsc::channel(1);
    enforcement.serve_dashboard(wants);
    output::error_line(ready);
    notify::tell("READY=1");
    let mut look = interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut reconcile_times = ReconcileTimes::from(Instant::now());
    let mut trouble = Trouble::default();
    let mut watchdog = Watchdog::of_this_process();
    loop {
        // An event that is overdue already waits for the next tick: it must not keep the loop spinning.
        let due = enforcement.announcer.episodes.due().and_then(|due| due.checked_sub(monotonic()));
        alarm.set(enforcement.next_wake()).context("cannot set the timer for wakeups")?;
        tokio::select! {
            _ = signals.interrupt.recv() => return Ok(Ending::LetGo),
            _ = signals.terminate.recv() => return Ok(Ending::LetGo),
            _ = signals.hand_over.recv() => return Ok(Ending::HandOver),
            _ = signals.hangup.recv() => {
                if let Err(e) = enforcement.reload() {
                    tracing::error!("the previous configuration stays in force: {}", explained(&e));
                }
            }
            ready = held.readable() => {
                // Cleared before the buffer is emptied: an event that arrives in between makes it readable again.
                ready?.clear_ready();
                trouble.note("cannot read held attempts", enforcement.take_held().map(drop));
                trouble.note("cannot wake waiters whose turn has come", enforcement.wake());
            }
            Some(call) = asked.recv() => {
                if let Some(written) = answer(enforcement, call) {
                    let _ = timeout(LAST_ANSWER, written).await;
                    return Ok(Ending::LetGo);
                }
            }
            Some(scrape) = asked_for_metrics.recv() => {
                trouble.note("cannot read the metrics", enforcement.scrape(scrape));
            }
            Some(call) = wanted.recv() => enforcement.answer_dashboard(call),
            _ = look.tick() => {
                if enforcement.pins_removed() {
                    return Ok(Ending::PinsRemoved);
                }
                trouble.note("cannot read the ledger", enforcement.look());
                trouble.note("cannot do the regular upkeep", enforcement.tend());
                reconcile_times.note(Instant::now(), enforcement.disturbances());
            }
            () = sleep_until(reconcile_times.next()) => {
                let began = Instant::now();
                trouble.note("cannot reconcile the ledger", enforcement.reconcile());
                reconcile_times.counted(Instant::now(), began.elapsed());
            }
            rung = alarm.rings() => {
                rung?;
                trouble.note("cannot wake waiters whose turn has come", enforcement.wake());
            }
            () = watchdog.report() => {}
            () = sleep(due.unwrap_or_default()), if due.is_some() => {
                trouble.note("cannot read the ledger", enforcement.look());
            }
        }
    }
}

#[expect(
    deprecated,
    reason = "the unsafe successor is for types that may swap their descriptor; this one cannot"
)]
fn readiness(fd: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::new(fd)
}

/// Logs the errors of what is done again and again: each kind at most once a minute.
#[derive(Default)]
struct Trouble(RateLimit<&'static str>);

impl Trouble {
    fn note(&mut self, doing: &'static str, outcome: Result<(), KernelError>) {
        let Err(e) = outcome else { return };
        match self.0.take(monotonic(), doing) {
            None => {}
            Some(0) => tracing::error!("{doing}: {}", e.in_full()),
            Some(more) => {
                tracing::error!("{doing}: {} ({more} more times since this was last logged)", e.in_full());
            }
        }
    }
}
