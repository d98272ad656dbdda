//! The learner: the model, the strategy in force and the queue of pairs to warm for. One lock's
//! worth of state; nothing here waits.

mod candidates;
mod explain;

use std::collections::VecDeque;

use std::time::Duration;

use bytes::Bytes;
use forewarm_domain::model::snapshot::{self, SnapshotError};
use forewarm_domain::{
    Association, Candidate, Detail, Estimator, Event, Evidence, Expectations, History, Horizon,
    Key, Model, ModelConfig, Network, PairId, Reason, SelectionContext, SelectionStrategy,
    SourceKind, Standing, Timestamp, Trigger, Verdict, Vote,
};

use candidates::{each_candidate, evidence, points};
pub use explain::{Judged, Verdicts};

/// A wish to warm the partners of a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    /// Whose partners.
    pub pair: PairId,
    /// What it did.
    pub kind: SourceKind,
    /// What L1 had to say to it.
    pub trigger: Trigger,
    /// When, on the stream's clock.
    pub at: Timestamp,
    /// How many operations of it came before: a set that is wider than one operation takes
    /// several.
    pub part: u8,
}

/// What became of an offer to the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offer {
    /// Queued.
    Queued,
    /// The pair waits already: one request a pair.
    Waiting,
    /// The queue is full.
    Full,
    /// Nothing is known to follow the event, so there is nothing to ask for.
    NothingKnown,
}

/// Within how many reads a warmed entry must be read for its fetch to count as right, in an L1 of
/// `entries` of which unread warms may fill `share`: a quarter of their room's worth. One that puts
/// right what L1 holds anyway may wait for as many reads as L1 has entries.
pub fn horizon(entries: u64, share: f64) -> Horizon {
    let newcomer = ((entries as f64 * share / 4.0) as u64).max(LEAST_HORIZON);
    Horizon {
        newcomer,
        outdated: entries.max(newcomer),
    }
}

/// For how many reads a warmed entry may lie unread before it leaves. Where the horizon is short
/// it is longer than that: what is there may as well wait for the rest of the reads of one event.
pub fn stay(entries: u64, share: f64) -> u64 {
    horizon(entries, share).newcomer.max(LEAST_STAY)
}

/// However small L1 is, a warm is given the reads of one event.
const LEAST_HORIZON: u64 = 14;
const LEAST_STAY: u64 = 24;

/// Operations that one event may ask for at most.
const MOST_PARTS: u8 = 2;

/// The model, the strategy and the queue.
#[derive(Debug)]
pub struct Learner {
    model: Model,
    strategy: Box<dyn SelectionStrategy>,
    queue: VecDeque<Request>,
    /// Whether the pair of each slot waits.
    waiting: Vec<bool>,
    queue_size: usize,
    partners: Vec<Association>,
    /// Scratch: the partners of an update, among which those of the read are looked for.
    known: Vec<PairId>,
    candidates: Vec<Candidate>,
    expectations: Expectations,
}

/// Predictions closed by one event: more than one event makes on average, so that they don't
/// pile up, and bounded.
const OVERDUE_PER_EVENT: usize = 64;

struct ModelNetwork<'a> {
    model: &'a Model,
    now: Timestamp,
}

impl Network for ModelNetwork<'_> {
    fn partners(&self, pair: PairId, out: &mut Vec<Association>) {
        self.model
            .associations(pair, SourceKind::Read, self.now, out);
    }
}

impl Learner {
    /// An empty model, choosing by `strategy`, with room for `queue_size` requests.
    pub fn new(
        config: ModelConfig,
        strategy: Box<dyn SelectionStrategy>,
        queue_size: usize,
    ) -> Self {
        let mut expectations = Expectations::default();
        expectations.set_bounds(horizon(0, 0.0), Duration::ZERO);
        Self {
            model: Model::new(config),
            strategy,
            queue: VecDeque::with_capacity(queue_size.min(1 << 16)),
            waiting: Vec::new(),
            queue_size: queue_size.max(1),
            partners: Vec::with_capacity(64),
            known: Vec::with_capacity(64),
            candidates: Vec::with_capacity(64),
            expectations,
        }
    }

    /// What counts as read in time: within `horizon` reads, and not before a fetch, which takes
    /// `lead`, could have landed.
    pub fn set_bounds(&mut self, horizon: Horizon, lead: Duration) {
        self.expectations.set_bounds(horizon, lead);
    }

    /// Learns an event, to which L1 said `trigger`; what it may be warmed for.
    pub fn observe(&mut self, event: &Event, trigger: Trigger, now: Timestamp) -> Request {
        let (pair, kind) = self.model.observe(event, now);
        let verdict = self.expectations.event(pair, event.op.reads(), event.at);
        self.settle(verdict);
        for _ in 0..OVERDUE_PER_EVENT {
            let Some(overdue) = self.expectations.overdue() else {
                break;
            };
            self.settle(Some(overdue));
        }
        Request {
            pair,
            kind,
            trigger,
            at: event.at,
            part: 0,
        }
    }

    fn settle(&mut self, verdict: Option<Verdict>) {
        if let Some(verdict) = verdict {
            let Verdict {
                source,
                kind,
                target,
                useful,
            } = verdict;
            self.model.feed_back(source, kind, target, useful);
        }
    }

    /// Queues a request, at most one a pair.
    pub fn offer(&mut self, request: Request) -> Offer {
        let known = |kind| self.model.has_associations(request.pair, kind);
        if !known(request.kind) && !known(SourceKind::Read) {
            return Offer::NothingKnown;
        }
        let slot = request.pair.index();
        if slot >= self.waiting.len() {
            self.waiting.resize(slot + 1, false);
        }
        if self.waiting[slot] {
            return Offer::Waiting;
        }
        if self.queue.len() >= self.queue_size {
            return Offer::Full;
        }
        self.waiting[slot] = true;
        self.queue.push_back(request);
        Offer::Queued
    }

    /// Takes the oldest request.
    pub fn next_request(&mut self) -> Option<Request> {
        let request = self.queue.pop_front()?;
        self.waiting[request.pair.index()] = false;
        Some(request)
    }

    /// Requests waiting.
    pub fn queued(&self) -> usize {
        self.queue.len()
    }

    /// What the strategy would fetch for `request`, best first, at most `cap`: of the partners
    /// that L1 lacks (by `standing`; one on its way is as good as there), those that are read in time with a probability of at least
    /// `price`. With a `cap` of zero nothing is chosen, but what becomes of the candidates is
    /// learned all the same.
    ///
    /// Allocates nothing in the steady state.
    pub fn select(
        &mut self,
        request: Request,
        now: Timestamp,
        cap: usize,
        price: f32,
        standing: impl FnMut(PairId, &Key) -> Standing,
    ) -> &[Candidate] {
        self.candidates.clear();
        self.partners.clear();
        self.assess(request, now, standing);
        if self.partners.is_empty() {
            return &self.candidates;
        }
        let network = ModelNetwork {
            model: &self.model,
            now,
        };
        let context = SelectionContext {
            source: request.pair,
            kind: request.kind,
            now,
            partners: &self.partners,
            network: &network,
            cap,
        };
        self.strategy.select(&context, &mut self.candidates);
        self.refuse(request, price, now);
        &self.candidates
    }

    /// What `request` asks for next after the last [`Self::select`], which was for it: if what was
    /// chosen fills an operation there may be more in the set.
    pub fn continuation(&self, request: Request) -> Option<Request> {
        let full = self.strategy.continues(self.candidates.len());
        let part = request.part + 1;
        (full && part < MOST_PARTS).then_some(Request { part, ..request })
    }

    /// Collects all that `request` may choose from.
    fn gather(&mut self, request: Request, detail: Detail, now: Timestamp) {
        let partners = &mut self.partners;
        let known = &mut self.known;
        each_candidate(&self.model, request, (detail, now), known, |partner| {
            partners.push(partner);
        });
    }

    /// Lets the event vote for its partners, and of those that L1 lacks
    /// asks how likely they are to be read in time.
    fn assess(
        &mut self,
        request: Request,
        now: Timestamp,
        mut standing: impl FnMut(PairId, &Key) -> Standing,
    ) {
        let detail = match self.strategy.reads_scores() {
            true => Detail::Scored,
            false => Detail::Bare,
        };
        let (model, expectations) = (&self.model, &mut self.expectations);
        let partners = &mut self.partners;
        each_candidate(
            model,
            request,
            (detail, now),
            &mut self.known,
            |mut partner| {
                let vote = match request.part {
                    0 => Vote::Now(points(&partner)),
                    _ => Vote::Before,
                };
                let remembered = expectations.consider(partner.pair, vote);
                let key = model.key(partner.pair);
                let standing = key.map_or(Standing::Fresh, |key| standing(partner.pair, key));
                if standing == Standing::Fresh {
                    return;
                }
                let evidence = evidence(&partner, request.trigger, standing, remembered);
                partner.expected =
                    expectations.expect((request.pair, partner.pair), &evidence, now);
                partners.push(partner);
            },
        );
    }

    /// Drops the candidates that are not worth `price`. Those reached by a second hop are asked
    /// here, as the strategy alone knows them.
    fn refuse(&mut self, request: Request, price: f32, now: Timestamp) {
        let (partners, expectations) = (&self.partners, &mut self.expectations);
        self.candidates.retain(|candidate| {
            let known = partners.iter().find(|p| p.pair == candidate.pair);
            let expected = match known {
                Some(partner) => partner.expected,
                None => {
                    debug_assert_eq!(candidate.reason, Reason::SecondHop);
                    let remembered = expectations.consider(candidate.pair, Vote::Now(0.0));
                    let evidence = Evidence {
                        kind: request.kind,
                        trigger: request.trigger,
                        second_hop: true,
                        standing: Standing::Absent,
                        followed: History::default(),
                        came: History::default(),
                        support: 0.0,
                        probability: candidate.score,
                        chance: 0.0,
                        lag: Duration::ZERO,
                        remembered,
                        popularity: 0.0,
                    };
                    expectations.expect((request.pair, candidate.pair), &evidence, now)
                }
            };
            expected >= price
        });
    }

    /// A warmed copy of `key` left L1 unread.
    pub fn lost(&mut self, key: &Key) {
        if let Some(target) = self.model.id(key) {
            let verdict = self.expectations.lost(target);
            self.settle(verdict);
        }
    }

    /// What the last [`Self::select`] chose.
    pub fn selected(&self) -> &[Candidate] {
        &self.candidates
    }

    /// Everything that a request may choose from, in no order: the oracle's choice.
    pub fn candidates(&mut self, request: Request, now: Timestamp) -> &[Association] {
        self.partners.clear();
        self.gather(request, Detail::Bare, now);
        &self.partners
    }

    /// Everything known to follow `kind` of a pair, strongest first.
    pub fn partners(&mut self, pair: PairId, kind: SourceKind, now: Timestamp) -> &[Association] {
        self.partners.clear();
        self.model.associations(pair, kind, now, &mut self.partners);
        self.partners.sort_unstable_by(|a, b| {
            b.score
                .total_cmp(&a.score)
                .then_with(|| a.pair.cmp(&b.pair))
        });
        &self.partners
    }

    /// The key of a pair, if the model still tracks it.
    pub fn key(&self, pair: PairId) -> Option<&Key> {
        self.model.key(pair)
    }

    /// The model.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// The model, to advance or restore it.
    pub fn model_mut(&mut self) -> &mut Model {
        &mut self.model
    }

    /// Model and estimator as bytes, as of `now`.
    pub fn save(&self, now: Timestamp) -> Vec<u8> {
        snapshot::save(&self.model, self.expectations.estimator(), now)
    }

    /// Adds what was saved to what is known; how many pairs it held.
    pub fn load(
        &mut self,
        bytes: &[u8],
        now: Timestamp,
        key_of: &dyn Fn(Bytes, u16) -> Key,
    ) -> Result<usize, SnapshotError> {
        let loaded = snapshot::load(&mut self.model, bytes, now, key_of)?;
        if let Some(estimator) = &loaded.estimator {
            self.expectations.merge(estimator);
        }
        Ok(loaded.pairs)
    }

    /// Puts a model in the place of an empty one, and takes over what an estimator has learned.
    pub fn restore(&mut self, model: Model, estimator: Option<&Estimator>) {
        self.model = model;
        if let Some(estimator) = estimator {
            self.expectations.merge(estimator);
        }
    }

    /// The strategy in force.
    pub fn strategy(&self) -> &dyn SelectionStrategy {
        &*self.strategy
    }

    /// The strategy in force, to tell it what happened.
    pub fn strategy_mut(&mut self) -> &mut dyn SelectionStrategy {
        &mut *self.strategy
    }

    /// Puts another strategy in force.
    pub fn set_strategy(&mut self, strategy: Box<dyn SelectionStrategy>) {
        self.strategy = strategy;
    }
}
