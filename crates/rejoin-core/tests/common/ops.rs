//! What may happen to an engine, one deed of the test at a time: the inputs of a network in which
//! everybody does as they please, and of a shell that makes mistakes. Any numbers will do.

use std::time::Duration;

use rejoin_core::{
    AddressFailure, AskId, Command, ConnectionKind, Deed, DialId, Direction, Directory, Envelope,
    Failure, Identified, Input, Note, QuestionId, Rerouted, Scope, SecretBytes, Severity,
    SignedPeer, Source, Tested, Word, exchange,
};

use crate::common::{HOUR, Node, address, key, met};

#[derive(Clone, Debug)]
#[cfg_attr(fuzzing, derive(arbitrary::Arbitrary))]
pub enum Op {
    Pass(u64),
    Back(u64),
    Come(u8),
    Visit(u8, u8),
    Answer(usize),
    Fail(usize, u8),
    NotMade(usize),
    Leave(u8),
    Hear(u8, Vec<u8>),
    Identify(u8, Vec<u16>),
    Ping(u8, u32),
    Consulted(u64, u8, Vec<u8>),
    Judge(u8, u8),
    Command(u8, u8),
    Committed(bool),
    Moved(u8),
    Woke,
    Tested(u16, bool),
    Slot(u8, bool),
    Rerouted(u8, u8),
    Bogus(u64),
    Load(u8, u64),
    Sign(u8),
    Ask(u8),
    Tell(u8, Vec<u8>),
    Gossip(u8, Vec<u8>),
}

/// By this protocol a peer says that it relays.
const HOP: &str = "/libp2p/circuit/relay/0.2.0/hop";

pub fn name(who: u8) -> String {
    format!("n{}", who % 48)
}

fn failure(how: u8) -> Failure {
    [
        Failure::Refused,
        Failure::Silent,
        Failure::Unreachable,
        Failure::WrongPeer,
        Failure::Handshake,
        Failure::Unsupported,
        Failure::Other,
    ][usize::from(how) % 7]
}

pub fn run(node: &mut Node, op: Op) {
    match op {
        Op::Pass(ms) => node.pass(Duration::from_millis(ms % 40_000)),
        Op::Back(ms) => {
            let now = node.now;
            node.now = now - Duration::from_millis(ms % 10_000_000);
            node.tell(Input::Tick);
            node.now = now;
        }
        Op::Come(who) => node.come(&name(who)),
        Op::Visit(who, how) => {
            let [net, ip] = [how % 4, who];
            let end = if how % 2 == 0 { "" } else { "/ws" };
            let from = format!("/ip4/9.{net}.0.{ip}/tcp/1{end}").parse().unwrap();
            let direction = match how % 3 {
                0 => Direction::Outbound(None),
                _ => Direction::Inbound,
            };
            node.connected(key(&name(who)), from, direction);
        }
        Op::Answer(at) => {
            if let Some(dial) = pick(node, at)
                && dial.peer.is_some()
            {
                node.answer(&dial);
            }
        }
        Op::Fail(at, how) => {
            if let Some(dial) = pick(node, at) {
                node.fail(&dial, failure(how));
            }
        }
        Op::NotMade(at) => {
            if let Some(dial) = pick(node, at) {
                node.tell(Input::DialNotMade { dial: dial.id });
            }
        }
        Op::Leave(who) => node.tell(Input::Disconnected {
            peer: key(&name(who)),
        }),
        Op::Hear(by, who) => {
            let source = match by % 3 {
                0 => Source::Swarm,
                1 => Source::Gossip(key(&name(by))),
                _ => Source::Mdns,
            };
            let peers = who
                .iter()
                .map(|who| (key(&format!("h{who}")), vec![address(u16::from(*who) * 7)]))
                .collect();
            node.tell(Input::Heard {
                source,
                teller: Some(Scope::Public),
                peers,
            });
        }
        Op::Identify(who, at) => node.tell(Input::Identified(Identified {
            peer: key(&name(who)),
            addresses: at.into_iter().map(address).collect(),
            agent: if who % 5 == 0 {
                "js browser/Mozilla/5.0".into()
            } else {
                "x".repeat(usize::from(who) * 9)
            },
            protocols: vec![
                [exchange::PROTOCOL, HOP][usize::from(who % 2)].into();
                usize::from(who)
            ],
            public_key: vec![0; usize::from(who) * 20],
            scope: Scope::Public,
        })),
        Op::Ping(who, ms) => {
            let rtt = Duration::from_millis(ms.into());
            node.tell(Input::Latency {
                peer: key(&name(who)),
                rtt,
            });
        }
        Op::Consulted(ask, how, who) => {
            let named = |who: &u8| (key(&name(*who)), vec![address(u16::from(*who) * 7)]);
            let found = match how % 9 {
                0..7 => Err(failure(how)),
                _ => Ok(who.iter().map(named).collect()),
            };
            let ask = AskId(ask % 12);
            node.tell(Input::Consulted { ask, found });
        }
        Op::Judge(who, deed) => {
            let deed = match deed % 4 {
                0 => Deed::TransferOk {
                    bytes_in: u64::MAX,
                    bytes_out: 1,
                },
                1 => Deed::TransferFailed,
                2 => Deed::Overstepped,
                _ => Deed::InvalidData(Severity::Severe),
            };
            node.tell(Input::Judged {
                peer: key(&name(who)),
                deed,
            });
        }
        Op::Command(who, what) => {
            let peer = key(&name(who));
            let address = address(u16::from(who));
            node.command(match what % 13 {
                0 => Command::Connect {
                    peer: Some(peer),
                    addresses: vec![address],
                },
                1 => Command::Connect {
                    peer: None,
                    addresses: vec![address; 9],
                },
                2 => Command::AddBootstrap {
                    peer: Some(peer),
                    address,
                },
                3 => Command::AddBootstrap {
                    peer: None,
                    address,
                },
                4 => Command::Pin(peer),
                5 => Command::Block {
                    peer,
                    span: Duration::from_secs(u64::from(who) * 60),
                },
                6 => Command::Forget(peer),
                7 => Command::Prune,
                8 => Command::AddDirectory(Directory::Rendezvous { peer, address }),
                9 => Command::AddDirectory(
                    Directory::url(&format!("https://example.org/{who}")).unwrap(),
                ),
                10 => Command::AddRelay {
                    relay: peer,
                    address,
                },
                11 => Command::Note {
                    peer,
                    note: Note::Secret(SecretBytes::new(vec![who; usize::from(who)])),
                },
                _ => Command::SetTarget(usize::from(who % 20)),
            });
        }
        Op::Committed(ok) => node.tell(Input::Committed { ok }),
        Op::Moved(place) => node.tell(Input::Moved {
            own: vec![address(place.into())],
            networks: vec![],
            place: Some(vec![place % 3]),
        }),
        Op::Woke => node.tell(Input::Woke),
        Op::Tested(at, ok) => node.tell(Input::Tested {
            address: address(at),
            by: key("n1"),
            outcome: if ok { Tested::Reached } else { Tested::Failed },
        }),
        Op::Slot(who, kept) => {
            let relay = key(&name(who));
            node.tell(match kept {
                true => Input::Reserved { relay },
                false => Input::NotReserved { relay },
            });
        }
        Op::Rerouted(who, at) => node.tell(Input::Rerouted(Rerouted {
            peer: key(&name(who)),
            dialled: (at % 2 == 0).then(|| address(at.into())),
            kind: ConnectionKind::HolePunched,
        })),
        Op::Bogus(id) => {
            let failed = AddressFailure {
                address: address(1),
                failure: Failure::Silent,
            };
            node.tell(Input::DialFailed {
                dial: DialId(id),
                failures: vec![failed],
            });
            node.connected(
                key("stranger"),
                address(2),
                Direction::Outbound(Some(DialId(id))),
            );
        }
        Op::Load(who, when) => {
            let mut record = met(&name(who), u16::from(who), HOUR, 30.0);
            record.last_seen = Some(rejoin_core::Time::from_millis(when));
            record.role.relay = when % 2 == 0;
            node.tell(Input::Loaded(vec![record]));
        }
        Op::Sign(at) => node.tell(Input::Signed(signed(&name(3), at))),
        Op::Ask(who) => node.tell(Input::PeersAsked {
            peer: key(&name(who)),
            question: QuestionId(who.into()),
            own: Some(signed(&name(who), who)),
        }),
        Op::Tell(by, who) => node.tell(Input::PeersTold {
            peer: key(&name(by)),
            words: who.into_iter().map(word).collect(),
        }),
        Op::Gossip(by, who) => node.tell(Input::Gossiped {
            peer: key(&name(by)),
            words: who.into_iter().map(|who| (word(who), who % 5)).collect(),
        }),
    }
}

/// Every seventh is broken.
fn word(who: u8) -> Word {
    match who % 7 {
        0 => Word::Broken,
        _ => Word::Signed(signed(&format!("w{who}"), who)),
    }
}

fn signed(name: &str, at: u8) -> SignedPeer {
    SignedPeer {
        peer: key(name),
        addresses: vec![address(at.into()); usize::from(at)],
        seq: at.into(),
        envelope: Envelope::new(vec![at]).unwrap(),
    }
}

/// A dial that is still in the air.
fn pick(node: &mut Node, at: usize) -> Option<rejoin_core::Dial> {
    let Node {
        dials, cancelled, ..
    } = node;
    dials.retain(|dial| !cancelled.contains(&dial.id));
    cancelled.clear();
    (!dials.is_empty()).then(|| dials.swap_remove(at % dials.len()))
}
