//! When one peer answers at the address under which it was met.

use rejoin_core::Time;

/// Up at first, then down and up again at each turn, until it is gone for good.
#[derive(Clone, Debug)]
pub(crate) struct Presence {
    /// When it goes, comes, goes, in order of time.
    turns: Vec<Time>,
    /// From here on nobody answers there any more: it has left, or moved.
    gone: Time,
}

impl Presence {
    pub(crate) fn new(turns: Vec<Time>, gone: Time) -> Self {
        debug_assert!(turns.is_sorted());
        Self { turns, gone }
    }

    /// Up without a break.
    pub(crate) fn until(gone: Time) -> Self {
        Self::new(Vec::new(), gone)
    }

    /// Up for ever.
    pub(crate) fn always() -> Self {
        Self::until(Time::from_millis(u64::MAX))
    }

    pub(crate) fn is_up(&self, at: Time) -> bool {
        at < self.gone && self.turns_before(at).is_multiple_of(2)
    }

    /// When it next goes down, if it is up.
    pub(crate) fn goes_down(&self, at: Time) -> Time {
        let next = self.turns.get(self.turns_before(at));
        next.map_or(self.gone, |turn| self.gone.min(*turn))
    }

    /// When it has left or moved, whatever happened before.
    pub(crate) fn gone(&self) -> Time {
        self.gone
    }

    fn turns_before(&self, at: Time) -> usize {
        self.turns.partition_point(|turn| *turn <= at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn t(millis: u64) -> Time {
        Time::from_millis(millis)
    }

    #[test]
    fn it_goes_and_comes_until_it_is_gone() {
        let presence = Presence::new(vec![t(10), t(20), t(30)], t(40));
        let up: Vec<_> = (0..8).map(|n| presence.is_up(t(n * 5))).collect();
        assert_eq!(
            up,
            [true, true, false, false, true, true, false, false],
            "down at each moment it turns"
        );
        assert_eq!(presence.goes_down(t(0)), t(10));
        assert_eq!(presence.goes_down(t(25)), t(30));
        assert!(Presence::until(t(7)).is_up(t(6)));
        assert!(!Presence::until(t(7)).is_up(t(7)));
        assert_eq!(Presence::new(vec![t(50)], t(40)).goes_down(t(0)), t(40));
    }
}
