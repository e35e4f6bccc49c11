//! Who made the connects that a mail complains of, from the history.

use crate::abuse_mail::{Connect, Mail, Unread};
use crate::control::{AccountName, Whose};
use crate::history::{Dial, DialProgram, HistoryError, MinuteRow, Reader};
use crate::utc_time::UtcTime;
use jiff::tz::Offset;
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// A SYN is sent again for two minutes, and clocks differ: how much later than its first SYN a connect may be seen.
const LATER: Duration = Duration::from_secs(150);
/// How much earlier, by clocks that differ.
const EARLIER: Duration = Duration::from_secs(30);
/// How many destinations are shown.
const SAMPLE: usize = 3;

/// What the history knows of a mail.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Blame {
    /// How many connects the mail names.
    pub connects: u64,
    /// To how many addresses.
    pub addresses: u64,
    /// How many of them the history has: the same address and port at that time.
    pub exact: u64,
    /// How many others went to a neighbour (the same /24 or /64) and port of connects that it has from that time.
    pub similar: u64,
    /// How many it does not know.
    pub unknown: u64,
    /// Why that may be; null if it knows all.
    pub why_unknown: Option<String>,
    /// The offset from UTC that times without a zone are taken to have; null if there is none.
    pub offset: Option<String>,
    /// Whether that is a guess.
    pub offset_is_guessed: bool,
    /// Who made them, those with the most first.
    pub programs: Vec<Blamed>,
    /// Lines with an address that are not used.
    pub unread: Vec<Unread>,
    /// How many lines have no address.
    pub lines_without_address: u64,
}

/// A program that made some of the connects.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Blamed {
    /// The program.
    pub program: DialProgram,
    /// The account that they were charged to.
    pub account: String,
    /// How many of the connects are its.
    pub exact: u64,
    /// How many others are like its.
    pub similar: u64,
    /// The first of them.
    pub first: UtcTime,
    /// The last.
    pub last: UtcTime,
    /// Some of their destinations.
    pub sample: Vec<String>,
    /// What its account did from that minute to that minute.
    pub held: MinuteRow,
    /// The command that stops it now; null where nothing but the host's account is known.
    pub now: Option<String>,
    /// A rule that keeps it from doing so again.
    pub rule: Option<String>,
}

/// Whom a connect is found to be of.
struct Match {
    dial: Dial,
    is_exact: bool,
}

/// Looks the connects of `mail` up. `offset` is that of times without a zone; without it, the one is taken that fits best.
///
/// # Errors
/// If the history cannot be read.
pub fn blame(mail: &Mail, reader: &Reader, offset: Option<Offset>) -> Result<Blame, HistoryError> {
    let known = known(mail, reader)?;
    let is_local = |connect: &Connect| matches!(connect.time, Some(crate::abuse_mail::Seen::Local(_)));
    let has_local = mail.connects.iter().any(is_local);
    let taken = offset.unwrap_or_else(|| best_offset(mail, &known));
    let exact: Vec<Option<&Dial>> =
        mail.connects.iter().map(|connect| exact_match(connect, &known, taken)).collect();
    let near = neighbours(mail, reader, taken)?;
    let matches: Vec<Option<Match>> =
        mail.connects
            .iter()
            .zip(exact)
            .map(|(connect, exact)| match exact {
                Some(dial) => Some(Match { dial: dial.clone(), is_exact: true }),
                None => similar_match(connect, &near, taken)
                    .map(|dial| Match { dial: dial.clone(), is_exact: false }),
            })
            .collect();
    let addresses: HashSet<_> = mail.connects.iter().map(|connect| connect.destination.address).collect();
    let count = |is_exact| matches.iter().flatten().filter(|found| found.is_exact == is_exact).count() as u64;
    let unknown = matches.iter().filter(|found| found.is_none()).count() as u64;
    Ok(Blame {
        connects: mail.connects.len() as u64,
        addresses: addresses.len() as u64,
        exact: count(true),
        similar: count(false),
        unknown,
        why_unknown: if unknown > 0 { Some(why_unknown(mail, reader, taken)?) } else { None },
        offset: has_local.then(|| taken.to_string()),
        offset_is_guessed: offset.is_none(),
        programs: programs(matches.into_iter().flatten(), reader)?,
        unread: mail.unread.clone(),
        lines_without_address: mail.others as u64,
    })
}

type Known = HashMap<(IpAddr, Option<u16>), Vec<Dial>>;

/// What the history has for each destination of the mail.
fn known(mail: &Mail, reader: &Reader) -> Result<Known, HistoryError> {
    let mut known = Known::new();
    for connect in &mail.connects {
        let to = (connect.destination.address, connect.destination.port);
        if let std::collections::hash_map::Entry::Vacant(entry) = known.entry(to) {
            entry.insert(reader.dials_to(to.0, to.1)?);
        }
    }
    Ok(known)
}

/// Whether an attempt of that time can be seen at `seen`.
fn fits(dial: &Dial, seen: UtcTime) -> bool {
    dial.time <= seen.after(EARLIER) && seen <= dial.time.after(LATER)
}

/// The attempt that the connect is; one whose SYN left rather than one of which only the wait is known.
fn exact_match<'a>(connect: &Connect, known: &'a Known, offset: Offset) -> Option<&'a Dial> {
    let dials = known.get(&(connect.destination.address, connect.destination.port))?;
    let seen = match connect.time {
        Some(time) => Some(time.with(offset)?),
        None => None,
    };
    let fitting = dials.iter().filter(|dial| seen.is_none_or(|seen| fits(dial, seen)));
    fitting.max_by_key(|dial| (dial.gone.left(), dial.time))
}

/// The offset with which most connects fit; UTC, if none fits better.
fn best_offset(mail: &Mail, known: &Known) -> Offset {
    let quarters = (-48..=56).filter_map(|quarter| Offset::from_seconds(quarter * 900).ok());
    let fitting =
        |offset| mail.connects.iter().filter_map(|connect| exact_match(connect, known, offset)).count();
    let best = quarters.max_by_key(|offset| (fitting(*offset), -offset.seconds().abs()));
    best.unwrap_or(Offset::UTC)
}

/// The network of an address whose hosts a scan tries one after the other.
fn network(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets()[..3].to_vec(),
        IpAddr::V6(address) => address.octets()[..8].to_vec(),
    }
}

type Near = HashMap<(Vec<u8>, u16), Vec<Dial>>;

/// What the history has of the time of the mail, by network and port.
fn neighbours(mail: &Mail, reader: &Reader, offset: Offset) -> Result<Near, HistoryError> {
    let Some((first, last)) = span(mail, offset) else { return Ok(Near::new()) };
    let mut near = Near::new();
    for dial in reader.dials_between(first.before(LATER), last.after(EARLIER))? {
        near.entry((network(dial.destination.ip()), dial.destination.port())).or_default().push(dial);
    }
    Ok(near)
}

fn span(mail: &Mail, offset: Offset) -> Option<(UtcTime, UtcTime)> {
    let times = || mail.connects.iter().filter_map(|connect| connect.time?.with(offset));
    Some((times().min()?, times().max()?))
}

/// An attempt to a neighbour on the same port about that time, if all such are one program's.
fn similar_match<'a>(connect: &Connect, near: &'a Near, offset: Offset) -> Option<&'a Dial> {
    let seen = connect.time?.with(offset)?;
    let about = Duration::from_mins(10);
    let dials = near.get(&(network(connect.destination.address), connect.destination.port?))?;
    let mut fitting =
        dials.iter().filter(|dial| dial.time <= seen.after(about) && seen <= dial.time.after(about));
    let first = fitting.next()?;
    fitting.all(|dial| (&dial.program, &dial.account) == (&first.program, &first.account)).then_some(first)
}

/// What the history cannot know.
fn why_unknown(mail: &Mail, reader: &Reader, offset: Offset) -> Result<String, HistoryError> {
    const USUAL: &str = "It has where programs connected to while their attempts waited, and what was unanswered when a \
        minute ended; not each connect that went out at once, and nothing from below TCP (such as masscan) or of guests";
    let Some((first, last)) = span(mail, offset) else { return Ok(format!("{USUAL}.")) };
    let rows = reader.minutes(first, Some("host"))?;
    let end = last.as_ms() / 60_000;
    if !rows.iter().any(|row| i64::try_from(row.minute).is_ok_and(|minute| minute <= end)) {
        return Ok("No daemon kept a history at that time, or it has been deleted since.".to_owned());
    }
    let missing = reader.lost(first)?.dials;
    let also = if missing > 0 {
        format!(" Besides, {missing} attempts could not be written since then.")
    } else {
        String::new()
    };
    Ok(format!("{USUAL}.{also}"))
}

fn programs(matches: impl Iterator<Item = Match>, reader: &Reader) -> Result<Vec<Blamed>, HistoryError> {
    let mut by_program: BTreeMap<(DialProgram, String), Vec<Match>> = BTreeMap::new();
    for found in matches {
        by_program.entry((found.dial.program.clone(), found.dial.account.clone())).or_default().push(found);
    }
    let blamed =
        by_program.into_iter().map(|((program, account), found)| blamed(program, account, &found, reader));
    let mut blamed = blamed.collect::<Result<Vec<_>, _>>()?;
    blamed.sort_by_key(|blamed| std::cmp::Reverse((blamed.exact, blamed.similar)));
    Ok(blamed)
}

fn blamed(
    program: DialProgram,
    account: String,
    found: &[Match],
    reader: &Reader,
) -> Result<Blamed, HistoryError> {
    let times = || found.iter().map(|found| found.dial.time);
    let (first, last) = (times().min().unwrap_or(UtcTime::EPOCH), times().max().unwrap_or(UtcTime::EPOCH));
    let rows = reader.minutes(first, Some(&account))?;
    let end = last.as_ms() / 60_000;
    let mut held = MinuteRow { account: account.clone(), ..MinuteRow::default() };
    for row in rows.iter().filter(|row| i64::try_from(row.minute).is_ok_and(|minute| minute <= end)) {
        let (half_open, queued, demand) = (held.peak_half_open, held.peak_queued, held.peak_demand);
        held.add(row);
        (held.minute, held.limit) = (row.minute, row.limit);
        held.scope.clone_from(&row.scope);
        held.peak_half_open = half_open.max(row.peak_half_open);
        held.peak_queued = queued.max(row.peak_queued);
        held.peak_demand = demand.max(row.peak_demand);
    }
    let mut sample: Vec<String> = found.iter().map(|found| found.dial.destination.to_string()).collect();
    sample.dedup();
    sample.truncate(SAMPLE);
    let ports: HashSet<u16> =
        found.iter().map(|found: &Match| SocketAddr::port(&found.dial.destination)).collect();
    let name = account.parse::<AccountName>().ok().filter(|name| name.whose.is_some());
    Ok(Blamed {
        exact: found.iter().filter(|found| found.is_exact).count() as u64,
        similar: found.iter().filter(|found| !found.is_exact).count() as u64,
        first,
        last,
        sample,
        held,
        now: name.as_ref().map(|name| format!("halfopen block {} --for 24h", quoted(&name.to_string()))),
        rule: name.and_then(|name| rule(&name, &program, &ports)),
        program,
        account,
    })
}

/// A rule of a configuration file that refuses the account's connects once most of its first contacts fail.
fn rule(name: &AccountName, program: &DialProgram, ports: &HashSet<u16>) -> Option<String> {
    let cgroup = match &name.whose {
        Some(Whose::CgroupAt(path)) => path,
        _ if !program.cgroup.is_empty() => &program.cgroup,
        _ => return None,
    };
    let mut ports: Vec<_> = ports.iter().collect();
    ports.sort_unstable();
    let named = ports.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    // TOML's strings escape as JSON's do.
    let cgroup = serde_json::to_string(cgroup).ok()?;
    Some(format!(
        "# After a mail about a scan of port {named}: once most new addresses do not answer, all its connects fail.\n\
         [[scope]]\nname = \"explained\"\nmatch = {{ cgroup = {cgroup} }}\nfirst_contacts = 10\non_suspect = \"block\""
    ))
}

/// For a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}
