//! The daemon's own user, read from /etc/passwd.

use crate::users;
use rustix::io::Result;
use rustix::process::{Gid, Uid};
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};
use std::fs;

/// The user's name. The package creates the user.
pub const NAME: &str = "halfopen";
/// The name of the user of the dashboard's process. The package creates that too.
pub const OF_DASHBOARD: &str = "halfopen-dashboard";

/// The name of the user of the process that sends events to a collector. The package creates that too.
pub const OF_EXPORTER: &str = "halfopen-otlp";

/// A user without privilege.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct User {
    uid: Uid,
    gid: Gid,
}

/// The first of the users with these names; `None` if there is none, or if it has root's IDs.
#[must_use]
pub fn find(names: &[&str]) -> Option<User> {
    let passwd = fs::read(users::FILE).ok()?;
    names.iter().find_map(|name| in_passwd(&passwd, name))
}

fn in_passwd(passwd: &[u8], name: &str) -> Option<User> {
    // The highest number is nobody's: to setresuid() it says that nothing is to change.
    let without_privilege = |number| (1..u32::MAX).contains(&number);
    let found = users::listed(passwd).find(|user| user.name == name.as_bytes())?;
    (without_privilege(found.uid) && without_privilege(found.gid))
        .then(|| User { uid: Uid::from_raw(found.uid), gid: Gid::from_raw(found.gid) })
}

impl User {
    /// Switches this thread to the user and its group, with no other groups.
    ///
    /// # Errors
    /// The kernel's answer.
    pub fn become_it(self) -> Result<()> {
        set_thread_groups(&[])?;
        set_thread_res_gid(self.gid, self.gid, self.gid)?;
        // The kernel drops all capabilities with the change from root.
        set_thread_res_uid(self.uid, self.uid, self.uid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_user_of_that_name_without_privilege_is_found() {
        let found = in_passwd(b"root:x:0:0::/:/bin/sh\nhalfopenx:x:7:7:::\nhalfopen:x:990:991::/:/x\n", NAME)
            .unwrap();
        assert_eq!((found.uid.as_raw(), found.gid.as_raw()), (990, 991));
        for none in
            ["", "halfopen", "halfopen:x:0:991::/:", "halfopen:x:990:0::/:", "halfopen:x:4294967295:1::"]
        {
            assert_eq!(in_passwd(none.as_bytes(), NAME), None, "{none}");
        }
    }
}
