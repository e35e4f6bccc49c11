//! The groups that /etc/group lists.

use std::fs;

/// The file.
const FILE: &str = "/etc/group";

/// The number of the group called `name`, which may be a number already; `None` if there is none.
#[must_use]
pub fn number_of(name: &str) -> Option<u32> {
    listed(&String::from_utf8_lossy(&fs::read(FILE).unwrap_or_default()), name).or_else(|| name.parse().ok())
}

fn listed(file: &str, name: &str) -> Option<u32> {
    file.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some(name)).then(|| fields.nth(1)?.parse().ok()).flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_found_by_name() {
        let file = "root:x:0:\nbroken\nno:x:number:\nwww:x:33:a,b\n";
        let found = ["root", "www", "no", "ww", "broken"].map(|name| listed(file, name));
        assert_eq!(found, [Some(0), Some(33), None, None, None]);
    }
}
