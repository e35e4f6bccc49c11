//! How long processes have run.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use rustix::io::Errno;

/// The time that all threads of these processes have been on a processor, by the kernel's own count in nanoseconds. A
/// process that has ended counts no more.
///
/// # Errors
/// When the kernel does not keep that count.
pub fn of(processes: &[u32]) -> io::Result<Duration> {
    let mut sum = Duration::ZERO;
    for process in processes {
        let threads = match fs::read_dir(format!("/proc/{process}/task")) {
            Ok(threads) => threads,
            Err(error) if has_ended(&error) => continue,
            Err(error) => return Err(error),
        };
        for thread in threads {
            match thread {
                Ok(thread) => sum += of_thread(&thread.path())?,
                Err(error) if has_ended(&error) => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(sum)
}

/// A file of /proc is not there, or no longer once it is open.
fn has_ended(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(Errno::SRCH.raw_os_error())
}

fn of_thread(task: &Path) -> io::Result<Duration> {
    let path = task.join("schedstat");
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        // It has ended since the list was made, or the kernel keeps no such file.
        Err(error) if has_ended(&error) && !task.exists() => return Ok(Duration::ZERO),
        Err(error) => return Err(error),
    };
    let nanoseconds = text.split(' ').next().and_then(|word| word.parse().ok());
    nanoseconds
        .map(Duration::from_nanos)
        .ok_or_else(|| io::Error::other(format!("{} begins with no number: {text:?}", path.display())))
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn a_busy_process_gains_and_one_that_is_gone_counts_nothing() {
        let own = [std::process::id()];
        let before = of(&own).unwrap();
        let deadline = Instant::now() + Duration::from_secs(10);
        while of(&own).unwrap() < before + Duration::from_millis(5) {
            assert!(Instant::now() < deadline, "no processor time gained");
        }
        let ending = || (0..200).for_each(|_| drop(std::thread::spawn(|| {}).join()));
        let ending = std::thread::spawn(ending);
        while !ending.is_finished() {
            of(&own).unwrap();
        }
        let mut child = std::process::Command::new("true").spawn().unwrap();
        child.wait().unwrap();
        assert_eq!(of(&[child.id()]).unwrap(), Duration::ZERO);
    }
}
