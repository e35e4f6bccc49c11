//! The users of this host, by name.

use super::disk::{Disk, OwnRights};
use crate::{name_service, users};
use std::sync::{PoisonError, RwLock};

/// The users as of the last reading. The daemon may still need them for a `set` after it has given up the right to read
/// the file itself.
static LAST_READ: RwLock<Option<Vec<u8>>> = RwLock::new(None);

/// The contents of /etc/passwd.
#[derive(Debug, Clone, Default)]
pub struct Accounts(Vec<u8>);

impl Accounts {
    /// Reads the file again. If that fails, the last reading stays.
    pub fn read_anew(disk: &mut dyn Disk) {
        match disk.read(users::FILE.as_ref()) {
            Ok(bytes) => *LAST_READ.write().unwrap_or_else(PoisonError::into_inner) = Some(bytes),
            Err(e) => tracing::debug!("cannot read {}: {e}", users::FILE),
        }
    }

    /// The users as of the last reading. Reads the file if it was never read.
    #[must_use]
    pub fn known() -> Self {
        let known = || LAST_READ.read().unwrap_or_else(PoisonError::into_inner).clone();
        Self(known().unwrap_or_else(|| {
            Self::read_anew(&mut OwnRights);
            known().unwrap_or_default()
        }))
    }

    /// The number of the user called `name`, which may be a number already.
    #[must_use]
    pub fn id(&self, name: &str) -> Option<u32> {
        self.listed(name).or_else(|| name.parse().ok()).or_else(|| name_service::found(name))
    }

    /// The number of the user called `name`, if /etc/passwd has one.
    #[must_use]
    pub fn listed(&self, name: &str) -> Option<u32> {
        users::listed(&self.0).find(|user| user.name == name.as_bytes()).map(|user| user.uid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_found_by_name() {
        let accounts = Accounts(b"root:x:0:0:root:/root:/bin/sh\nwww:x:33:33::/:/bin/false\n".to_vec());
        let id = |name| accounts.id(name);
        assert_eq!((id("www"), id("33"), id("ww")), (Some(33), Some(33), None));
    }
}
