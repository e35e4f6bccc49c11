//! `release`: suspects go on as if nothing had been.

use super::ask;
use crate::config::Accounts;
use crate::control::{AccountName, Answer, Request, Whose};
use crate::events::text::plain;
use crate::output;
use anyhow::{Context, Result};
use halfopen_bpf::CgroupDir;
use halfopen_bpf::text::unescaped;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;

/// `None` = all.
pub fn release(name: Option<AccountName>) -> Result<()> {
    let whom = name.map(|name| Ok::<_, anyhow::Error>((name.scope, name.whose.map(found).transpose()?)));
    match ask(&Request::Release { whom: whom.transpose()? })? {
        (_, Answer::Released { accounts, .. }) if accounts.is_empty() => {
            output::line("nothing to release: none is a suspect")
        }
        (_, Answer::Released { accounts, more }) => {
            accounts.iter().try_for_each(|account| output::line(&format!("released {}", plain(account))))?;
            if more > 0 { output::line(&format!("released {more} accounts more")) } else { Ok(()) }
        }
        (client, other) => Err(client.unexpected(&other).into()),
    }
}

/// By number: the daemon may neither read the cgroup file system nor /etc/passwd.
fn found(whose: Whose) -> Result<Whose> {
    Ok(match whose {
        Whose::CgroupAt(path) => {
            let root = CgroupDir::root()?;
            let name = unescaped(path.trim_start_matches('/')).with_context(|| {
                format!("{path} is cut: name the account by its number, as adaptive[cgroup 4242]")
            })?;
            let directory = root.path().join(OsStr::from_bytes(&name));
            let metadata = fs::metadata(&directory).with_context(|| {
                format!("looking for the cgroup {path}; of one that is gone, status shows the number")
            })?;
            Whose::Cgroup(metadata.ino())
        }
        Whose::UserNamed(name) => Whose::User(
            Accounts::known().id(&name).with_context(|| format!("no user {name} in /etc/passwd"))?,
        ),
        known => known,
    })
}
