//! `release`: clears suspects.

use super::ask;
use crate::config::Accounts;
use crate::control::{AccountName, Answer, Request, Whose};
use crate::events::text::plain;
use crate::name_service::finding_users_here;
use crate::output;
use anyhow::{Context, Result};
use halfopen_bpf::CgroupDir;
use halfopen_bpf::text::unescaped;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;

/// `None` clears all of them.
pub fn release(name: Option<AccountName>) -> Result<()> {
    let whom = name.map(|name| Ok::<_, anyhow::Error>((name.scope, name.whose.map(found).transpose()?)));
    match ask(&Request::Release { whom: whom.transpose()? })? {
        (_, Answer::Released { accounts, .. }) if accounts.is_empty() => {
            output::line("nothing to release: no account is a suspect")
        }
        (_, Answer::Released { accounts, more }) => {
            accounts.iter().try_for_each(|account| output::line(&format!("released {}", plain(account))))?;
            if more > 0 { output::line(&format!("released {more} more accounts")) } else { Ok(()) }
        }
        (client, other) => Err(client.unexpected(&other).into()),
    }
}

/// Resolves names to numbers: the daemon may read neither the cgroup file system nor /etc/passwd.
fn found(whose: Whose) -> Result<Whose> {
    Ok(match whose {
        Whose::CgroupAt(path) => {
            let root = CgroupDir::root()?;
            let name = unescaped(path.trim_start_matches('/')).with_context(|| {
                format!("{path} is cut off: name the account by its number, such as adaptive[cgroup 4242]")
            })?;
            let directory = root.path().join(OsStr::from_bytes(&name));
            let metadata = fs::metadata(&directory).with_context(|| {
                format!("cannot find the cgroup {path}; if it is gone, use the number that `halfopen status` shows")
            })?;
            Whose::Cgroup(metadata.ino())
        }
        Whose::UserNamed(name) => {
            let number = finding_users_here(|| Accounts::known().id(&name));
            Whose::User(number.with_context(|| format!("there is no user {name}: getent passwd finds none"))?)
        }
        known => known,
    })
}
