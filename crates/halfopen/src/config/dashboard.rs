//! The table of the keys of `[dashboard]`.

use super::form::Form;
use super::key::{Field, Key, Place, Table, fields, key, put};
use super::value::Typed;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Where the dashboard is, and how it proves who it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dashboard {
    /// Where; `None` = nowhere.
    pub listen: Option<SocketAddr>,
    /// The file of its certificate, and of those that vouch for it; `None` = no TLS.
    pub certificate: Option<PathBuf>,
    /// The file of the certificate's key.
    pub key: Option<PathBuf>,
}

/// `dashboard.listen`.
pub const LISTEN: &Key = key(DASHBOARD, "listen");
/// `dashboard.certificate`.
pub const CERTIFICATE: &Key = key(DASHBOARD, "certificate");
/// `dashboard.key`.
pub const KEY: &Key = key(DASHBOARD, "key");

fields! {
    /// All of them, in the order of the sample file.
    pub static DASHBOARD: Dashboard, in Table::Dashboard;

    /// Where a browser finds the dashboard: http://127.0.0.1:4227 for "127.0.0.1:4227". Nobody sees anything without the
    /// one-time address that `halfopen dashboard` prints. An address beyond loopback needs certificate and key.
    listen: Form::ADDRESS.or("off") => Place {
        get: |dashboard| dashboard.listen.value(),
        set: |dashboard, value| put(&mut dashboard.listen, value),
    }, "when the daemon starts";

    /// The file of the dashboard's certificate in PEM form, followed by those that vouch for it. With it, the dashboard
    /// speaks TLS only. A browser has to ask for a name or an address that the certificate is for.
    certificate: Form::PATH.or("off").such_as("\"/etc/halfopen/dashboard.pem\"") => Place {
        get: |dashboard| dashboard.certificate.value(),
        set: |dashboard, value| put(&mut dashboard.certificate, value),
    }, "when the daemon starts";

    /// The file of that certificate's private key in PEM form, which nobody but root should be able to read.
    key: Form::PATH.or("off").such_as("\"/etc/halfopen/dashboard.key\"") => Place {
        get: |dashboard| dashboard.key.value(),
        set: |dashboard, value| put(&mut dashboard.key, value),
    }, "when the daemon starts";
}

impl Dashboard {
    /// The key of the file without which it may not listen as it is to.
    pub(super) fn lacks(&self) -> Option<&'static Key> {
        let at = self.listen?;
        match (&self.certificate, &self.key) {
            (None, None) if at.ip().is_loopback() => None,
            (Some(_), Some(_)) => None,
            (None, _) => Some(CERTIFICATE),
            (Some(_), None) => Some(KEY),
        }
    }
}
