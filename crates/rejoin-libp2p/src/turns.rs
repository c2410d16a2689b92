//! Taking turns at a relay. libp2p's relay client dials a relay it is not connected with once for
//! every circuit, and the swarm makes one dial per peer: whoever comes second fails at once. So
//! whatever goes through a relay waits while somebody opens the way to it. That is all; who goes
//! through which relay, the engine says.

use std::collections::BTreeMap;

use libp2p::PeerId;
use rejoin_core::{Dial, DialId, Output, PeerKey};

/// Who is at it, and who waits: as many as the engine has dials and slots.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    opening: BTreeMap<PeerId, Opener>,
    waiting: Vec<(PeerId, Output)>,
}

/// What opens the way to a relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Opener {
    /// A dial of the relay, or of somebody behind it.
    Dial(DialId),
    /// A slot asked for.
    Slot,
}

impl Turns {
    /// Hands the output back if it may be carried out now; otherwise it waits.
    pub(crate) fn take(
        &mut self,
        output: Output,
        is_connected: impl Fn(&PeerId) -> bool,
    ) -> Option<Output> {
        let (opener, through, itself) = match &output {
            Output::Dial(dial) => {
                let peer = dial.peer.as_ref().and_then(PeerKey::peer_id);
                (Opener::Dial(dial.id), relay_of(dial), peer)
            }
            Output::Reserve(reserve) => (Opener::Slot, reserve.relay.peer_id(), None),
            Output::CancelDial(_)
            | Output::Disconnect { .. }
            | Output::Commit(_)
            | Output::Sign(_)
            | Output::AskPeers { .. }
            | Output::TellPeers { .. }
            | Output::Gossip(_)
            | Output::Consult { .. }
            | Output::Release { .. }
            | Output::Discover
            | Output::Recall(_)
            | Output::Event(_) => return Some(output),
        };
        if let Some(relay) = through.filter(|relay| !is_connected(relay)) {
            if self.opening.contains_key(&relay) {
                self.waiting.push((relay, output));
                return None;
            }
            self.opening.insert(relay, opener);
        } else if let Some(peer) = itself.filter(|_| through.is_none()) {
            // Whoever is dialled may turn out to be somebody's relay.
            self.opening.entry(peer).or_insert(opener);
        }
        Some(output)
    }

    /// The engine does not want this dial any more. Says whether it waited.
    pub(crate) fn cancel(&mut self, dial: DialId) -> bool {
        let is_it = |output: &Output| matches!(output, Output::Dial(it) if it.id == dial);
        let before = self.waiting.len();
        self.waiting.retain(|(_, output)| !is_it(output));
        self.waiting.len() < before
    }

    /// The engine does not want this slot any more.
    pub(crate) fn release(&mut self, relay: &PeerKey) {
        let is_it = |it: &Output| matches!(it, Output::Reserve(slot) if slot.relay == *relay);
        self.waiting.retain(|(_, output)| !is_it(output));
    }

    /// A peer is connected: the way is open. Returns who waited for it.
    pub(crate) fn connected(&mut self, peer: &PeerId) -> Vec<Output> {
        self.opening.remove(peer);
        self.next(|relay| relay == peer)
    }

    /// A dial has ended. Returns who waited for what it opened.
    pub(crate) fn dial_ended(&mut self, dial: DialId) -> Vec<Output> {
        self.ended(|_, opener| opener == Opener::Dial(dial))
    }

    /// A slot is kept or lost. Returns who waited for what asking for it opened.
    pub(crate) fn slot_ended(&mut self, relay: &PeerKey) -> Vec<Output> {
        let relay = relay.peer_id();
        self.ended(|peer, opener| opener == Opener::Slot && Some(*peer) == relay)
    }

    fn ended(&mut self, is_it: impl Fn(&PeerId, Opener) -> bool) -> Vec<Output> {
        let mut ended = Vec::new();
        self.opening.retain(|peer, opener| {
            let ends = is_it(peer, *opener);
            if ends {
                ended.push(*peer);
            }
            !ends
        });
        self.next(|relay| ended.contains(relay))
    }

    /// Each of them takes its turn anew.
    fn next(&mut self, of: impl Fn(&PeerId) -> bool) -> Vec<Output> {
        let next = self.waiting.extract_if(.., |(relay, _)| of(relay));
        next.map(|(_, output)| output).collect()
    }
}

/// The relay through which alone this dial can lead to its peer.
fn relay_of(dial: &Dial) -> Option<PeerId> {
    let mut relays = dial.addresses.iter().map(|address| address.relay());
    let relay = relays.next()??;
    relays.all(|other| other == Some(relay)).then_some(relay)
}

#[cfg(test)]
mod tests {
    use rejoin_core::{Address, Lane, Reserve};

    use super::*;

    #[test]
    fn whoever_comes_second_waits_until_the_relay_is_connected() {
        let (mut turns, relay) = (Turns::default(), PeerId::random());
        let (first, second, slot) = (behind(relay, 1), behind(relay, 2), slot(relay));
        assert!(take(&mut turns, &first));
        assert!(!take(&mut turns, &second));
        assert!(!take(&mut turns, &slot));
        assert_eq!(turns.connected(&relay), [second.clone(), slot]);
        let connected = turns.take(second.clone(), |peer| *peer == relay);
        assert_eq!(connected, Some(second));
    }

    #[test]
    fn a_dial_of_the_relay_itself_opens_the_way() {
        let (mut turns, relay) = (Turns::default(), PeerId::random());
        assert!(take(&mut turns, &straight(relay, 1)));
        let other = behind(relay, 2);
        assert!(!take(&mut turns, &other));
        assert_eq!(turns.dial_ended(DialId(9)), []);
        let next = turns.dial_ended(DialId(1));
        assert_eq!(next, [other], "it failed, and now the next one tries");
        assert!(take(&mut turns, &next[0]));
    }

    #[test]
    fn a_slot_that_ends_lets_the_next_one_try() {
        let (mut turns, relay) = (Turns::default(), PeerId::random());
        assert!(take(&mut turns, &slot(relay)));
        let other = behind(relay, 2);
        assert!(!take(&mut turns, &other));
        assert_eq!(turns.dial_ended(DialId(2)), []);
        assert_eq!(turns.slot_ended(&relay.into()), [other]);
    }

    #[test]
    fn nobody_waits_for_another_relay_or_for_a_way_without_one() {
        let (mut turns, relay) = (Turns::default(), PeerId::random());
        assert!(take(&mut turns, &behind(relay, 1)));
        assert!(take(&mut turns, &behind(PeerId::random(), 2)));
        assert!(take(&mut turns, &straight(PeerId::random(), 3)));
        let Output::Dial(mut either) = behind(relay, 4) else {
            panic!("no dial");
        };
        either.addresses.push(address("/ip4/1.2.3.4/tcp/1"));
        assert!(take(&mut turns, &Output::Dial(either)));
    }

    #[test]
    fn what_is_not_wanted_any_more_does_not_wait() {
        let (mut turns, relay) = (Turns::default(), PeerId::random());
        take(&mut turns, &behind(relay, 1));
        take(&mut turns, &behind(relay, 2));
        take(&mut turns, &slot(relay));
        assert!(turns.cancel(DialId(2)));
        assert!(!turns.cancel(DialId(1)), "it is under way");
        turns.release(&relay.into());
        assert_eq!(turns.connected(&relay), []);
    }

    fn take(turns: &mut Turns, output: &Output) -> bool {
        turns.take(output.clone(), |_| false).is_some()
    }

    fn behind(relay: PeerId, id: u64) -> Output {
        let circuit = format!("/ip4/1.2.3.4/tcp/80/p2p/{relay}/p2p-circuit");
        dial(PeerId::random(), id, &circuit)
    }

    fn straight(peer: PeerId, id: u64) -> Output {
        dial(peer, id, "/ip4/1.2.3.4/tcp/80")
    }

    fn dial(peer: PeerId, id: u64, at: &str) -> Output {
        Output::Dial(Dial {
            id: DialId(id),
            peer: Some(peer.into()),
            addresses: vec![address(at)],
            lane: Lane::Memory,
        })
    }

    fn slot(relay: PeerId) -> Output {
        Output::Reserve(Reserve {
            relay: relay.into(),
            address: address("/ip4/1.2.3.4/tcp/80"),
        })
    }

    fn address(text: &str) -> Address {
        text.parse().unwrap()
    }
}
