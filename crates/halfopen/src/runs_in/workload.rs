//! What a pod belongs to, from its name: controllers add to their own name what tells their pods apart.
//!
//! Source: k8s.io/apimachinery, `util/rand`. A random suffix has five of 27 letters. The hash of a ReplicaSet is a number
//! of 32 bits in decimal, with each digit written as one of those letters, so that only ten occur.

const RANDOM: &str = "bcdfghjklmnpqrstvwxz2456789";
const RANDOM_LETTERS: usize = 5;
const HASH: &str = "456789bcdf";
const HASH_LETTERS: usize = 10;
/// A CronJob's Job has the minute of its time, counted from 1970, in eight digits.
const MINUTE_DIGITS: usize = 8;

/// The name without what a Deployment, `StatefulSet`, `DaemonSet`, Job or `CronJob` has added; `None` if it looks like none of
/// theirs.
pub fn of_pod_named(name: &str) -> Option<&str> {
    let (before, last) = name.rsplit_once('-').filter(|(before, _)| !before.is_empty())?;
    let is_ordinal = last.bytes().all(|byte| byte.is_ascii_digit()) && last.len() < RANDOM_LETTERS;
    if is_ordinal && !last.is_empty() {
        return Some(before);
    }
    if last.len() != RANDOM_LETTERS || !last.chars().all(|letter| RANDOM.contains(letter)) {
        return None;
    }
    let Some((owner, part)) = before.rsplit_once('-') else { return Some(before) };
    // Words of so few letters occur in names.
    let is_hash = (RANDOM_LETTERS + 1..=HASH_LETTERS).contains(&part.len())
        && part.chars().all(|letter| HASH.contains(letter));
    let is_minute = part.len() == MINUTE_DIGITS && part.bytes().all(|byte| byte.is_ascii_digit());
    Some(if (is_hash || is_minute) && !owner.is_empty() { owner } else { before })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_controllers_add_is_taken_off() {
        for (pod, workload) in [
            ("coredns-6d4b75cb6d-4mtdm", Some("coredns")),
            ("web-front-7d9f8c6b5d-x2x4z", Some("web-front")),
            ("db-0", Some("db")),
            ("db-main-12", Some("db-main")),
            ("node-exporter-x2x4z", Some("node-exporter")),
            ("backup-28971234-x2x4z", Some("backup")),
            ("kube-apiserver-node1", None),
            ("web", None),
            ("web-", None),
            ("-0", None),
        ] {
            assert_eq!(of_pod_named(pod), workload, "{pod}");
        }
    }
}
