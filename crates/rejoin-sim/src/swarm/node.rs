//! One node of a swarm: what it is up to, whether it runs, what it holds.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use rejoin_core::{DialId, Engine, QuestionId, Snapshot, Time};

use super::{
    NodeId,
    company::Company,
    link::{Flight, Link},
    load::Load,
};

/// What a node is up to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It does what its engine says.
    Honest,
    /// It runs an engine, but whenever it tells of peers, they are strangers that never lived.
    Liar,
    /// It has no engine. It takes every connection, and whoever asks is told of its accomplices.
    Intruder,
    /// It has no engine. It takes every connection, and tells of others that are there.
    Bystander,
    /// It has no engine. It is a bootstrap server: everybody knows it from the start, and whoever asks is told
    /// of honest nodes that are there.
    Server,
    /// It has no engine. It takes every connection, and tells what does harm, as often as anybody
    /// listens: of the dead, of made-up peers, some of them where others live, and of intruders.
    Slanderer,
}

impl Role {
    pub(super) fn has_engine(self) -> bool {
        match self {
            Self::Honest | Self::Liar => true,
            Self::Intruder | Self::Bystander | Self::Server | Self::Slanderer => false,
        }
    }
}

/// Whether a node can be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It runs.
    Up,
    /// Its machine is there, its program is not.
    Refuses,
    /// Nothing comes back.
    Silent,
}

#[derive(Debug)]
pub(super) struct Node {
    pub(super) role: Role,
    pub(super) state: State,
    pub(super) engine: Option<Box<Engine>>,
    /// What it remembers while it does not run, if it is to come back.
    pub(super) memory: Option<Snapshot>,
    pub(super) links: BTreeMap<NodeId, Link>,
    pub(super) flights: BTreeMap<DialId, Flight>,
    /// Questions to be answered, with the connection they came over.
    pub(super) questions: BTreeMap<QuestionId, (NodeId, u64)>,
    /// Whom it has asked and not heard from since.
    pub(super) waiting: BTreeSet<NodeId>,
    /// How many questions it has asked, and rounds of gossip told.
    pub(super) asked: u32,
    pub(super) told: u32,
    pub(super) wake_at: Option<Time>,
    pub(super) pings: u32,
    pub(super) company: Company,
    /// How many questions it had asked, and rounds told, once it was well connected.
    pub(super) effort: Option<Effort>,
    pub(super) minute: Load,
}

/// What a node had to do until it was well connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effort {
    /// When it was.
    pub at: Time,
    /// How long that took after its start.
    pub took: Duration,
    /// Peers it had asked for others.
    pub questions: u32,
    /// Rounds of gossip it had told.
    pub rounds: u32,
}

impl Node {
    /// It does not run yet.
    pub(super) fn new(role: Role, now: Time) -> Self {
        Self {
            role,
            // Its machine is there, its program is not.
            state: State::Refuses,
            engine: None,
            memory: None,
            links: BTreeMap::new(),
            flights: BTreeMap::new(),
            questions: BTreeMap::new(),
            waiting: BTreeSet::new(),
            asked: 0,
            told: 0,
            wake_at: None,
            pings: 0,
            company: Company::new(now),
            effort: None,
            minute: Load::default(),
        }
    }

    /// Whether it runs, and does what its engine says.
    pub(super) fn is_honest(&self) -> bool {
        self.role == Role::Honest && self.engine.is_some()
    }

    pub(super) fn note_effort(&mut self, now: Time) {
        self.effort = Some(Effort {
            at: now,
            took: self.company.age(now),
            questions: self.asked,
            rounds: self.told,
        });
    }
}
