//! The learner: the model, the strategy in force and the queue of pairs to warm for. One lock's
//! worth of state; nothing here waits.

use std::collections::VecDeque;

use forewarm_domain::calibration::{Calibration, Class, Record};
use forewarm_domain::{
    Association, Candidate, Event, Key, Model, ModelConfig, Network, PairId, SelectionContext,
    SelectionStrategy, SourceKind, Timestamp,
};

/// A wish to warm the partners of a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    /// Whose partners.
    pub pair: PairId,
    /// What it did.
    pub kind: SourceKind,
    /// When, on the stream's clock.
    pub at: Timestamp,
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
    candidates: Vec<Candidate>,
    calibration: Calibration,
    /// Per slot, why the pair was last fetched.
    origins: Vec<Option<Origin>>,
}

/// Why a pair was fetched.
#[derive(Debug, Clone, Copy)]
struct Origin {
    target: PairId,
    source: PairId,
    kind: SourceKind,
    class: Class,
    score: f32,
}

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
        Self {
            model: Model::new(config),
            strategy,
            queue: VecDeque::with_capacity(queue_size.min(1 << 16)),
            waiting: Vec::new(),
            queue_size: queue_size.max(1),
            partners: Vec::with_capacity(64),
            candidates: Vec::with_capacity(64),
            calibration: Calibration::default(),
            origins: Vec::new(),
        }
    }

    /// Learns an event; the pair and role it may be warmed for.
    pub fn observe(&mut self, event: &Event, now: Timestamp) -> Request {
        let (pair, kind) = self.model.observe(event, now);
        Request {
            pair,
            kind,
            at: event.at,
        }
    }

    /// Queues a request, at most one a pair.
    pub fn offer(&mut self, request: Request) -> Offer {
        if !self.model.has_associations(request.pair, request.kind) {
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

    /// What the strategy would fetch for `request`, best first, at most `cap`, of that what is
    /// expected to be useful with a probability of at least `price`.
    ///
    /// Allocates nothing in the steady state.
    pub fn select(
        &mut self,
        request: Request,
        now: Timestamp,
        cap: usize,
        price: f32,
    ) -> &[Candidate] {
        self.candidates.clear();
        self.partners.clear();
        self.model
            .associations(request.pair, request.kind, now, &mut self.partners);
        if cap > 0 && !self.partners.is_empty() {
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
            let (partners, calibration) = (&self.partners, &self.calibration);
            self.candidates.retain(|candidate| {
                let (class, record) = classify(candidate, request.kind, partners);
                calibration.expected(class, candidate.score, record) >= price
            });
        }
        &self.candidates
    }

    /// `target` is being fetched for `request`; its outcome will be fed back.
    pub fn fetched(&mut self, request: Request, target: PairId) {
        let Some(candidate) = self.candidates.iter().find(|c| c.pair == target) else {
            return;
        };
        let (class, _) = classify(candidate, request.kind, &self.partners);
        let slot = target.index();
        if slot >= self.origins.len() {
            self.origins.resize(slot + 1, None);
        }
        self.origins[slot] = Some(Origin {
            target,
            source: request.pair,
            kind: request.kind,
            class,
            score: candidate.score,
        });
    }

    /// What came of the last fetch of `key`: read in time, or lost unread.
    pub fn feed_back(&mut self, key: &Key, useful: bool) {
        let Some(target) = self.model.id(key) else {
            return;
        };
        let origin = self.origins.get_mut(target.index()).and_then(Option::take);
        if let Some(origin) = origin.filter(|origin| origin.target == target) {
            self.calibration.count(origin.class, origin.score, useful);
            self.model
                .feed_back(origin.source, origin.kind, target, useful);
        }
    }

    /// What the last [`Self::select`] chose.
    pub fn selected(&self) -> &[Candidate] {
        &self.candidates
    }

    /// Everything known to follow `kind` of a pair, strongest first: what an oracle may
    /// choose from.
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

/// The class of a candidate, and its own record if it is a direct partner.
fn classify(candidate: &Candidate, kind: SourceKind, partners: &[Association]) -> (Class, Record) {
    match partners
        .iter()
        .find(|partner| partner.pair == candidate.pair)
    {
        Some(partner) if kind == SourceKind::Update => (Class::Update, partner.record),
        Some(partner) => (Class::Read, partner.record),
        None => (Class::SecondHop, Record::default()),
    }
}
