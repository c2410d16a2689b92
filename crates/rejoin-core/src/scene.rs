//! What is seen from here when somebody is to be dialled: who may be, over which addresses, and
//! what to expect of it. Nothing here remembers anything; whom to dial first is the queue's concern.

use crate::{
    book::Book,
    config::Config,
    key::PeerKey,
    links::Links,
    order::Outlook,
    reach::Reach,
    record::{AddressRecord, PeerRecord, Place, Pool},
    time::Time,
};

/// One look around.
#[derive(Clone, Copy, Debug)]
pub struct Scene<'a> {
    /// The moment.
    pub now: Time,
    /// Whom we remember.
    pub book: &'a Book,
    /// Whom we are connected to.
    pub links: &'a Links,
    /// Where we are.
    pub reach: &'a Reach,
    /// The limits.
    pub config: &'a Config,
}

impl<'a> Scene<'a> {
    /// Whether a peer may be dialled this very moment; `anyway` ignores that it rests.
    pub fn is_free(self, key: &PeerKey, anyway: bool) -> bool {
        !self.links.contains(key)
            && self.book.get(key).is_some_and(|record| {
                !record.is_blocked(self.now)
                    && (anyway || record.control.backoff_until <= Some(self.now))
                    && !self.usable(record, anyway).is_empty()
            })
    }

    /// The addresses that make sense from here; `anyway` takes those too that rest.
    pub fn usable(self, record: &'a PeerRecord, anyway: bool) -> Vec<&'a AddressRecord> {
        let (book, now) = (self.book, self.now);
        record
            .addresses
            .iter()
            .filter(|known| anyway || known.backoff_until <= Some(now))
            // What once worked rests by its own record: rumours about its neighbours must not hide it.
            .filter(|known| {
                anyway || known.last_success.is_some() || !book.host_rests(&known.address, now)
            })
            .filter(|known| self.may_lead(known))
            .collect()
    }

    /// Whether somebody else may be reached there from here. What worked from this very place is no
    /// guess: there are private networks larger than the part our interfaces are on.
    fn may_lead(self, known: &AddressRecord) -> bool {
        let place = self.reach.place();
        let worked_here = place.is_some_and(|place| known.places.contains(&place));
        self.reach.makes_sense(&known.address) || worked_here && !self.reach.is_own(&known.address)
    }

    /// The addresses one dial tries, the best first.
    pub fn to_try(self, record: &'a PeerRecord, anyway: bool) -> Vec<&'a AddressRecord> {
        let mut addresses = self.usable(record, anyway);
        best_first(&mut addresses, self.reach.place());
        // Where the best is known to work, only others known to work are worth racing it.
        if addresses.first().is_some_and(|best| works(best)) {
            addresses.retain(|known| works(known));
        }
        addresses.truncate(self.config.addresses_per_dial.max(1));
        addresses
    }

    /// What to expect of dialling a peer over some of its addresses.
    pub fn outlook(self, record: &PeerRecord, addresses: &[&AddressRecord]) -> Outlook {
        let survival = &self.book.memory().survival;
        let outlook = Outlook::of(record, addresses, survival, self.reach.place(), self.now);
        if record.pool() == Pool::Proven {
            // Who sent us to peers that were not there is not whom we come back to first.
            return outlook.trusted(self.book.trust_in(&record.key));
        }
        // Hearsay is worth as much as whoever told it; the best of several tellers counts.
        let trust = addresses.iter().map(|known| self.book.trust(&known.source));
        outlook.trusted(trust.fold(0.0, f64::max))
    }
}

/// What worked from here, then what worked lately, then what failed least, then what is fastest.
fn best_first(addresses: &mut [&AddressRecord], place: Option<Place>) {
    addresses.sort_by(|a, b| {
        let here = |known: &AddressRecord| place.is_some_and(|place| known.places.contains(&place));
        let ms = |known: &AddressRecord| known.dial_ms.unwrap_or(f32::MAX);
        here(b)
            .cmp(&here(a))
            .then_with(|| works(b).cmp(&works(a)))
            .then_with(|| a.failures_in_row.cmp(&b.failures_in_row))
            .then_with(|| ms(a).total_cmp(&ms(b)))
            .then_with(|| b.last_success.cmp(&a.last_success))
    });
}

fn works(known: &AddressRecord) -> bool {
    known.last_success.is_some() && known.failures_in_row == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Source;

    const T: Time = Time::from_millis(1_000_000);
    const HERE: Place = Place(1);

    #[test]
    fn what_worked_from_here_goes_first() {
        check(
            |known| known.places = vec![HERE].into(),
            |known| works_in(known, 10),
        );
    }

    #[test]
    fn what_works_goes_before_what_failed_and_what_failed_less_before_what_failed_more() {
        check(
            |known| works_in(known, 900),
            |known| known.dial_ms = Some(10.0),
        );
        check(|_| {}, |known| known.failures_in_row = 1);
        check(
            |known| known.failures_in_row = 1,
            |known| known.failures_in_row = 2,
        );
    }

    #[test]
    fn of_two_that_work_the_faster_goes_first() {
        check(|known| works_in(known, 10), |known| works_in(known, 20));
        check(
            |known| works_in(known, 10),
            |known| known.last_success = Some(T),
        );
    }

    /// The one place that knows how `best_first` is called.
    #[track_caller]
    fn check(better: fn(&mut AddressRecord), worse: fn(&mut AddressRecord)) {
        let [mut first, mut second] = [1, 2].map(|port| {
            let address = format!("/ip4/8.8.4.4/tcp/{port}").parse().unwrap();
            AddressRecord::new(address, Source::Manual, T)
        });
        better(&mut first);
        worse(&mut second);
        let mut sorted = [&second, &first];
        best_first(&mut sorted, Some(HERE));
        assert_eq!(sorted, [&first, &second]);
    }

    fn works_in(known: &mut AddressRecord, ms: u16) {
        known.last_success = Some(T);
        known.dial_ms = Some(f32::from(ms));
    }
}
