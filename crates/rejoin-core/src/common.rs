//! What many peers have word for word in common is kept once: most of a network run one of a few dozen
//! programs, and each of those speaks the same protocols wherever it runs.

use std::{collections::BTreeSet, sync::Arc};

use crate::{record::Role, text::Text};

/// How many different ones are kept in mind. Whoever makes up more costs us no more than what it says.
const COMMON_MAX: usize = 256;

/// What was seen so far.
#[derive(Clone, Debug, Default)]
pub struct Common {
    agents: BTreeSet<Text<128>>,
    protocols: BTreeSet<Arc<[Text<128>]>>,
}

impl Common {
    /// Has a role share what others say, too.
    pub fn share(&mut self, role: &mut Role) {
        if let Some(agent) = &mut role.agent {
            known(&mut self.agents, agent);
        }
        if !role.protocols.is_empty() {
            known(&mut self.protocols, &mut role.protocols);
        }
    }
}

/// Puts in the place of `said` what was said before.
fn known<T: Ord + Clone>(before: &mut BTreeSet<T>, said: &mut T) {
    if let Some(same) = before.get(said) {
        said.clone_from(same);
        return;
    }
    if before.len() >= COMMON_MAX {
        before.clear();
    }
    before.insert(said.clone());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn role(nth: usize) -> Role {
        Role {
            agent: Some(Text::new(&format!("kubo/{nth}"))),
            protocols: [Text::new("/ipfs/ping/1.0.0"), Text::new(&nth.to_string())].into(),
            ..Role::default()
        }
    }

    #[test]
    fn who_says_the_same_shares_the_words() {
        let (mut common, mut alice, mut bob) = (Common::default(), role(1), role(1));
        common.share(&mut alice);
        common.share(&mut bob);
        assert!(Arc::ptr_eq(&alice.protocols, &bob.protocols));
        let words = |role: &Role| role.agent.as_deref().map(str::as_ptr);
        assert_eq!(words(&alice), words(&bob));
        assert_eq!(bob, role(1));
    }

    #[test]
    fn what_is_made_up_does_not_pile_up() {
        let mut common = Common::default();
        for nth in 0..10 * COMMON_MAX {
            let mut eve = role(nth);
            common.share(&mut eve);
            assert_eq!(eve, role(nth));
        }
        assert!(common.agents.len() <= COMMON_MAX);
        assert!(common.protocols.len() <= COMMON_MAX);
    }
}
