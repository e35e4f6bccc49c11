//! Running tests side by side, each in a process of its own.

use super::found::Test;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::time::Duration;
use testkit::run_within;

/// What came of a test.
#[derive(Debug)]
pub struct Outcome {
    pub passed: bool,
    pub took: Duration,
    pub said: String,
    pub tests_passed: u32,
    pub tests_failed: u32,
    pub tests_ignored: u32,
}

/// No test takes so long: one that does is ended. What it leaves behind the next lab sweeps away.
const LONGEST: Duration = Duration::from_mins(10);

/// Runs them all, `at_once` at a time, and prints a line for each as it ends. The tests write into `skips` what they
/// could not do here.
pub fn run_all(tests: Vec<Test>, at_once: usize, skips: &Path) -> Vec<(Test, Outcome)> {
    let of = tests.len();
    let (queue, done) = (Mutex::new(tests.into_iter()), Mutex::new(Vec::with_capacity(of)));
    std::thread::scope(|scope| {
        for _ in 0..at_once {
            scope.spawn(|| {
                // A function of its own: what `while let` looks at would keep the queue locked while the test runs.
                let next = || lock(&queue).next();
                while let Some(test) = next() {
                    let outcome = run(&test, skips);
                    let word = if outcome.passed { "ok" } else { "FAILED" };
                    let mut done = lock(&done);
                    let (number, took) = (done.len() + 1, outcome.took.as_secs_f64());
                    println!("{number:4} of {of}  {took:6.1} s  {word:6}  {}", test.name());
                    done.push((test, outcome));
                }
            });
        }
    });
    done.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn run(test: &Test, skips: &Path) -> Outcome {
    let mut command = Command::new(&test.executable);
    match &test.function {
        Some(name) => command.args(["--exact", name]),
        None => command.arg("--test-threads=2"),
    };
    command.current_dir(&test.directory).env("CARGO_MANIFEST_DIR", &test.directory).env("LAB_SKIPS", skips);
    let (passed, took, said) = match run_within(&mut command, LONGEST) {
        Ok(ran) => {
            let late = if ran.status.is_none() { "ended by the runner: it took too long\n" } else { "" };
            (ran.succeeded(), ran.wall, [&ran.stdout, &ran.stderr, late].concat())
        }
        Err(error) => (false, Duration::ZERO, error.to_string()),
    };
    let [tests_passed, tests_failed, tests_ignored] =
        [" passed", " failed", " ignored"].map(|word| counted(&said, word));
    // A program without a harness tells by its exit code alone, and so does one that died.
    let tests_passed = if passed && tests_passed + tests_ignored == 0 { 1 } else { tests_passed };
    let tests_failed = tests_failed.max((!passed).into());
    Outcome { passed, took, said, tests_passed, tests_failed, tests_ignored }
}

/// The number before `word` in the harness's last line.
fn counted(said: &str, word: &str) -> u32 {
    let result = said.lines().rev().find_map(|line| line.strip_prefix("test result: "));
    let number = result.and_then(|line| line.split_once(word)?.0.rsplit(' ').next()?.parse().ok());
    number.unwrap_or(0)
}
