//! A session: links to every primary, from their opening to the first trouble.

use std::collections::BTreeSet;
use std::fmt;

use forewarm_application::metrics::Invalidation;
use futures::future::{FutureExt, select_all};
use tokio::time::{Instant, sleep_until};

use super::check::{self, Check};
use super::config::{LinkConfig, Preference};
use super::member::{Hears, Member, Shared};
use super::places::{Directory, Place, Servers};
use super::proofs::Proofs;
use super::wire::{LinkError, Protocol};
use super::{LinkEvents, keyspace, tracking};
use crate::l2::RedisStore;

/// Open links to every primary.
pub(super) struct Session {
    how: Invalidation,
    members: Vec<Member>,
    directory: Directory,
    /// The master that the sentinels named; they are asked again with every proof.
    master: Option<Place>,
    proofs: Proofs,
}

/// Why a session ended.
#[derive(Debug)]
pub(super) enum End {
    /// A connection broke, or the primaries are others now.
    Broken(LinkError),
    /// No proof of life within the bound.
    Silent(std::time::Duration),
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Broken(error) => error.fmt(f),
            Self::Silent(bound) => write!(f, "no proof of life for {bound:?}"),
        }
    }
}

impl Session {
    /// Opens one, in the best way that is allowed and that every primary has.
    pub(super) async fn open(
        config: &LinkConfig,
        directory: &mut Directory,
        store: Option<&RedisStore>,
    ) -> Result<Self, LinkError> {
        let tracking = (
            Invalidation::Tracking,
            config.preference != Preference::Keyspace,
        );
        let keyspace = (
            Invalidation::Keyspace,
            config.preference != Preference::Tracking,
        );
        let mut refusals = Vec::new();
        for (how, allowed) in [tracking, keyspace] {
            if !allowed {
                continue;
            }
            match Self::open_as(how, config, directory, store).await {
                Err(LinkError::Refused(reason)) => refusals.push(reason),
                opened => return opened,
            }
        }
        Err(LinkError::Refused(refusals.join("; ")))
    }

    async fn open_as(
        how: Invalidation,
        config: &LinkConfig,
        directory: &mut Directory,
        store: Option<&RedisStore>,
    ) -> Result<Self, LinkError> {
        let asked = Instant::now();
        let primaries = directory.primaries().await?;
        let prefixes = config.distinct_prefixes();
        let mut members = Vec::new();
        for place in &primaries {
            match how {
                Invalidation::Tracking => {
                    let wire = tracking::subscribe(directory, place, &prefixes).await?;
                    members.push(Member {
                        wire,
                        hears: Hears::Pushes,
                        checks: checks(directory, &primaries, place),
                    });
                }
                _ => members.extend(by_keyspace(directory, &primaries, place, &prefixes).await?),
            }
        }
        if let Some(store) = store
            && !matches!(directory.servers, Servers::Single(_))
        {
            let places = primaries
                .iter()
                .map(|place| (place.host.as_str(), place.port));
            let led = store.lead_to(&places.collect::<Vec<_>>()).await;
            led.map_err(|error| LinkError::Failed(error.to_string()))?;
        }
        let master = match directory.servers {
            Servers::Sentinels(..) => primaries.into_iter().next(),
            _ => None,
        };
        let proofs = Proofs::new(members.len() + usize::from(master.is_some()), asked);
        Ok(Self {
            how,
            members,
            directory: directory.clone(),
            master,
            proofs,
        })
    }

    pub(super) fn how(&self) -> Invalidation {
        self.how
    }

    /// The moment before which every change has been told.
    pub(super) fn proof(&self) -> Instant {
        self.proofs.oldest()
    }

    /// Tells what is heard until the first trouble.
    pub(super) async fn run(&mut self, config: &LinkConfig, events: &dyn LinkEvents) -> End {
        let shared = Shared {
            events,
            proofs: &self.proofs,
            interval: config.ping_interval,
        };
        let count = self.members.len();
        let mut follows: Vec<_> = self
            .members
            .iter_mut()
            .enumerate()
            .map(|(index, member)| member.follow(index, &shared).boxed())
            .collect();
        if let Some(master) = &self.master {
            follows.push(watch_master(&self.directory, master, count, &shared).boxed());
        }
        tokio::select! {
            (error, ..) = select_all(follows) => End::Broken(error),
            () = self.proofs.silence(config.max_staleness) => End::Silent(config.max_staleness),
        }
    }
}

/// What makes a proof of life of a primary.
fn checks(directory: &Directory, primaries: &BTreeSet<Place>, place: &Place) -> Vec<Check> {
    match directory.servers {
        Servers::Cluster(_) => vec![
            Check::Alive,
            Check::Primaries(primaries.clone(), place.clone()),
        ],
        _ => vec![Check::Alive],
    }
}

/// Two connections: one that is subscribed can ask for nothing but signs of life.
async fn by_keyspace(
    directory: &Directory,
    primaries: &BTreeSet<Place>,
    place: &Place,
    prefixes: &[String],
) -> Result<[Member; 2], LinkError> {
    let subscriber = keyspace::subscribe(directory, place, prefixes).await?;
    let mut asker = directory.wire(place, Protocol::Two).await?;
    let stats = asker.ask(&[b"INFO", b"commandstats"]).await?;
    let stats = stats.or_error("INFO")?;
    let flushes = check::flushes(&stats);
    let flushes = flushes.ok_or_else(|| LinkError::failed("INFO: an unreadable answer"))?;
    let mut asks = checks(directory, primaries, place);
    asks.push(Check::Flushes(flushes));
    Ok([
        Member {
            wire: subscriber,
            hears: Hears::Messages,
            checks: vec![Check::Alive],
        },
        Member {
            wire: asker,
            hears: Hears::Nothing,
            checks: asks,
        },
    ])
}

/// Asks the sentinels whether the master is still the same, as often as the master for its proof. A
/// server that was frozen while another took over would go on proving its life.
async fn watch_master(
    directory: &Directory,
    master: &Place,
    index: usize,
    shared: &Shared<'_>,
) -> LinkError {
    let mut sentinel = None;
    loop {
        let asked = Instant::now();
        match directory.master(&mut sentinel).await {
            Ok(named) if named == *master => {
                if let Some(proof) = shared.proofs.answered(index, asked) {
                    shared.events.proven(proof);
                }
            }
            Ok(named) => return LinkError::Failed(format!("the master is {named} now")),
            // The next time may do; until then there is no proof.
            Err(error) => tracing::debug!(%error, "no sentinel was reached"),
        }
        sleep_until(asked + shared.interval).await;
    }
}
