//! Nodes of libp2p: as many as there are addresses to listen on, or one that looks for peers among addresses of which
//! most are dead.
//!
//! `libp2p-node listen /ip4/198.18.1.2/tcp/4001 ...`, `libp2p-node dial /ip4/198.18.1.2/tcp/4001 ...`

#![forbid(unsafe_code)]

use std::collections::HashSet;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use libp2p::futures::StreamExt;
use libp2p::futures::stream::select_all;
use libp2p::swarm::{NetworkBehaviour, SwarmEvent};
use libp2p::{Multiaddr, Swarm, SwarmBuilder, identify, noise, ping, tcp, yamux};
use tokio::time::interval;

/// With so many peers it looks for no more.
const WANTED: usize = 30;
/// Between two dials.
const PACE: Duration = Duration::from_millis(50);
/// For one peer, from its first SYN until it has proved who it is.
const PATIENCE: Duration = Duration::from_secs(5);
/// Longer than it runs: a peer is kept.
const IDLE: Duration = Duration::from_mins(10);
/// Where the node that dials listens itself. It calls from this port too, as nodes do unless told otherwise.
const OWN_PLACE: &str = "/ip4/0.0.0.0/tcp/4001";

/// What nodes of all kinds of networks do.
#[derive(NetworkBehaviour)]
struct Behaviour {
    identify: identify::Behaviour,
    ping: ping::Behaviour,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let asked = arguments.next();
    let places = arguments.map(|place| place.parse().with_context(|| format!("reading {place}")));
    let places = places.collect::<Result<Vec<Multiaddr>>>()?;
    match asked.as_deref() {
        Some("listen") => listen(places).await,
        Some("dial") => dial(places).await,
        _ => bail!("usage: libp2p-node listen|dial MULTIADDR..."),
    }
}

/// A node with an identity of its own.
fn node() -> Result<Swarm<Behaviour>> {
    let behaviour = |key: &libp2p::identity::Keypair| Behaviour {
        identify: identify::Behaviour::new(identify::Config::new("/lab/1.0.0".to_owned(), key.public())),
        ping: ping::Behaviour::default(),
    };
    let node = SwarmBuilder::with_new_identity()
        .with_tokio()
        .with_tcp(tcp::Config::default(), noise::Config::new, yamux::Config::default)
        .context("making a transport")?
        .with_behaviour(behaviour)
        .context("making a behaviour")?
        .with_swarm_config(|config| config.with_idle_connection_timeout(IDLE))
        .with_connection_timeout(PATIENCE);
    Ok(node.build())
}

/// A node at each place: a client has one connection to an identity, whatever its addresses.
async fn listen(places: Vec<Multiaddr>) -> Result<()> {
    let at = |place: Multiaddr| {
        let mut node = node()?;
        node.listen_on(place.clone()).with_context(|| format!("listening at {place}"))?;
        Ok(node)
    };
    let nodes = places.into_iter().map(at).collect::<Result<Vec<_>>>()?;
    let mut events = select_all(nodes);
    while events.next().await.is_some() {}
    Ok(())
}

/// Dials one place after the other, at a steady pace, until there are peers enough or all have been tried.
async fn dial(places: Vec<Multiaddr>) -> Result<()> {
    let start = Instant::now();
    let mut node = node()?;
    node.listen_on(OWN_PLACE.parse().context("reading its own place")?).context("listening")?;
    let mut places = places.into_iter();
    let mut pace = interval(PACE);
    let (mut listening, mut under_way, mut peers) = (false, 0_usize, HashSet::new());
    while peers.len() < WANTED && (places.len() > 0 || under_way > 0) {
        tokio::select! {
            _ = pace.tick(), if listening && places.len() > 0 => {
                if let Some(place) = places.next() {
                    node.dial(place.clone()).with_context(|| format!("dialling {place}"))?;
                    under_way += 1;
                }
            }
            event = node.select_next_some() => match event {
                SwarmEvent::NewListenAddr { .. } => listening = true,
                SwarmEvent::ConnectionEstablished { peer_id, endpoint, .. } if endpoint.is_dialer() => {
                    under_way -= 1;
                    peers.insert(peer_id);
                    println!("peer {peer_id} after {:.2} s", start.elapsed().as_secs_f64());
                }
                SwarmEvent::ConnectionClosed { peer_id, cause, .. } => {
                    peers.remove(&peer_id);
                    eprintln!("lost {peer_id}: {cause:?}");
                }
                SwarmEvent::OutgoingConnectionError { error, .. } => {
                    under_way -= 1;
                    eprintln!("no peer: {error}");
                }
                _ => {}
            }
        }
    }
    println!("end: {} peers after {:.2} s", peers.len(), start.elapsed().as_secs_f64());
    Ok(())
}
