use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use testkit::{Cgroup, Lab, Names, Record, run_within};

use crate::runs::RunError;

/// A question takes less than a millisecond.
const LIMIT: Duration = Duration::from_mins(1);

/// Has a program in each cgroup ask for a name of each address, of a server that lives as long as what this returns.
pub(crate) fn ask_for_names(
    lab: &Lab,
    cgroups: &[Cgroup],
    addresses: &BTreeSet<Ipv4Addr>,
) -> Result<Option<Names>, RunError> {
    if addresses.is_empty() {
        return Ok(None);
    }
    let records: Vec<_> = (addresses.iter().enumerate())
        .map(|(number, address)| Record {
            name: format!("host-{number}.example"),
            address: IpAddr::V4(*address),
        })
        .collect();
    let server = Names::serve(lab, &records)?;
    for cgroup in cgroups {
        let mut asking = server.command_in(lab, cgroup, "getent");
        asking.arg("ahostsv4").args(records.iter().map(|record| &record.name));
        let ran = run_within(&mut asking, LIMIT)?;
        if !ran.succeeded() {
            return Err(RunError::NotNamed { said: ran.stderr });
        }
    }
    Ok(Some(server))
}
