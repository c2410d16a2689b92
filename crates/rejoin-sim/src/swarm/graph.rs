//! What the connections look like from above: pieces, distances, crowds.

use std::collections::{BTreeMap, VecDeque};

use super::{GROWN_AFTER, NodeId, Swarm};

impl Swarm {
    /// The pieces of the network, the largest first: honest nodes, and the working connections between
    /// them.
    pub fn pieces(&self) -> Vec<Vec<NodeId>> {
        let mut seen = vec![false; self.size()];
        let piece = |id| {
            let reached = self.walk(id, &mut seen).into_iter();
            reached.map(|(id, _)| id).collect()
        };
        let mut pieces: Vec<Vec<NodeId>> = self.honest().map(piece).collect();
        pieces.retain(|piece| !piece.is_empty());
        pieces.sort_by_key(|piece| std::cmp::Reverse(piece.len()));
        pieces
    }

    /// Honest nodes outside the largest piece that have had a minute to get in.
    pub fn apart(&self) -> Vec<NodeId> {
        let others = self.pieces().into_iter().skip(1).flatten();
        others.filter(|id| self.age(*id) >= GROWN_AFTER).collect()
    }

    /// How many connections each of the others is away from a node, by number of connections, as far
    /// as they can be reached.
    pub fn hops(&self, from: NodeId) -> Vec<usize> {
        let mut seen = vec![false; self.size()];
        let mut counts: BTreeMap<usize, usize> = BTreeMap::new();
        for (_, hops) in self.walk(from, &mut seen) {
            *counts.entry(hops).or_default() += 1;
        }
        counts.into_values().collect()
    }

    /// Everybody that can be reached from a node and was not seen before, with its distance.
    fn walk(&self, from: NodeId, seen: &mut [bool]) -> Vec<(NodeId, usize)> {
        let mut reached = Vec::new();
        let mut ahead = VecDeque::new();
        if !std::mem::replace(&mut seen[from.index()], true) {
            ahead.push_back((from, 0));
        }
        while let Some((id, hops)) = ahead.pop_front() {
            reached.push((id, hops));
            for next in self.friends(id) {
                if !std::mem::replace(&mut seen[next.index()], true) {
                    ahead.push_back((next, hops + 1));
                }
            }
        }
        reached
    }
}
