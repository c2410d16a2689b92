//! What a record that was read needs before it can be used: bytes from a disk or a stranger may say anything,
//! and a clock may have been wrong.

use super::{
    ADDRESSES_MAX, Ban, PLACES_MAX, PROTOCOLS_MAX, PeerRecord, UNKNOWN_BYTES_MAX, Unknown,
};
use crate::{
    notes::{METADATA_BYTES_MAX, metadata_bytes},
    time::Time,
};

impl PeerRecord {
    /// Makes a record read from a file usable: times ahead of `now` are set to `now`, numbers are
    /// finite, lists are cut to their limits. Returns how many values had to be changed.
    pub fn sanitise(&mut self, now: Time) -> usize {
        let mut changed = 0;
        let mut clamp = |time: &mut Time| {
            if *time > now {
                *time = now;
                changed += 1;
            }
        };
        clamp(&mut self.first_seen);
        clamp(&mut self.control.decided);
        if !self.notes.is_blank() {
            clamp(&mut self.notes.noted);
        }
        for time in [
            &mut self.last_seen,
            &mut self.last_connected,
            &mut self.last_disconnected,
            &mut self.last_failed,
            &mut self.demoted,
            &mut self.role.relayed_us,
        ] {
            time.as_mut().map(&mut clamp);
        }
        for known in &mut self.addresses {
            clamp(&mut known.first_heard);
            known.last_success.as_mut().map(&mut clamp);
            known.last_failure.as_mut().map(&mut clamp);
        }
        if let Some(ban) = &mut self.control.banned
            && ban.since > now
        {
            // The clock was set back: it lasts as long as it was meant to.
            **ban = Ban {
                since: now,
                until: now + ban.until.since(ban.since),
            };
            changed += 1;
        }
        changed += self.evidence.sanitise(now);
        let times_ms = self
            .addresses
            .iter_mut()
            .flat_map(|known| [&mut known.dial_ms, &mut known.rtt_ms])
            .chain([&mut self.evidence.latency_ms]);
        for ms in times_ms {
            if ms.is_some_and(|ms| !ms.is_finite() || ms < 0.0) {
                *ms = None;
                changed += 1;
            }
        }
        changed + self.cut_to_limits()
    }

    /// Cuts every wait that reaches beyond `latest`, as after the clock was set back. Returns how
    /// many there were.
    pub fn shorten_waits(&mut self, latest: Time) -> usize {
        let addresses = self.addresses.iter_mut();
        let mut cut = 0;
        for until in addresses
            .filter_map(|known| known.backoff_until.as_mut())
            .chain(self.control.backoff_until.as_mut())
        {
            cut += usize::from(*until > latest);
            *until = latest.min(*until);
        }
        cut
    }

    fn cut_to_limits(&mut self) -> usize {
        fn cut<T>(list: &mut Vec<T>, max: usize) -> usize {
            let over = list.len().saturating_sub(max);
            list.truncate(max);
            over
        }
        let mut over = cut(&mut self.addresses, ADDRESSES_MAX);
        let protocols = &mut self.role.protocols;
        if protocols.len() > PROTOCOLS_MAX {
            over += protocols.len() - PROTOCOLS_MAX;
            *protocols = protocols[..PROTOCOLS_MAX].into();
        }
        for known in &mut self.addresses {
            if !known.places.is_blank() {
                over += cut(&mut known.places, PLACES_MAX);
            }
            over += drop_if_large(&mut known.unknown);
        }
        over += drop_if_large(&mut self.unknown);
        while metadata_bytes(&self.notes.metadata) > METADATA_BYTES_MAX {
            self.notes.metadata.pop_last();
            over += 1;
        }
        over
    }
}

pub(crate) fn drop_if_large(unknown: &mut Unknown) -> usize {
    if unknown.is_empty() {
        return 0;
    }
    let bytes = serde_json::to_vec(unknown).map_or(usize::MAX, |json| json.len());
    if bytes <= UNKNOWN_BYTES_MAX {
        return 0;
    }
    std::mem::take(unknown).len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{decay::Decayed, record::AddressRecord, source::Source, text::Text};

    fn alice() -> PeerRecord {
        PeerRecord::new("alice".parse().unwrap(), Time::from_millis(1_000))
    }

    #[test]
    fn mistake_14_times_ahead_of_now_are_clamped_and_counted() {
        let mut record = alice();
        record.last_seen = Some(Time::from_millis(9_999));
        record.evidence.dials_ok = Decayed::new(1.0, Time::from_millis(9_999));
        let now = Time::from_millis(2_000);
        assert_eq!(record.sanitise(now), 2);
        assert_eq!(record.last_seen, Some(now));
        assert_eq!(record.evidence.dials_ok.at(), now);
        assert_eq!(record.sanitise(now), 0);
    }

    #[test]
    fn mistake_14_a_ban_from_the_future_lasts_no_longer_than_it_was_meant_to() {
        let mut record = alice();
        record.control.banned = Some(
            Ban {
                since: Time::from_millis(10_000),
                until: Time::from_millis(10_500),
            }
            .into(),
        );
        let now = Time::from_millis(2_000);
        assert_eq!(record.sanitise(now), 1);
        let until = Some(Time::from_millis(2_500));
        assert_eq!(record.blocked_until(now), until);
        assert_eq!(record.blocked_until(Time::from_millis(2_500)), None);
        record.control.blocked_until = Some(Time::from_millis(2_400));
        assert_eq!(record.blocked_until(now), until, "the longer of the two");
        assert!(record.is_blocked_by_user(now));
    }

    #[test]
    fn every_list_is_cut_to_its_limit() {
        let mut record = alice();
        for port in 1..=20 {
            let address = format!("/ip4/8.8.4.4/tcp/{port}").parse().unwrap();
            let known = AddressRecord::new(address, Source::Manual, Time::from_millis(1));
            record.addresses.push(known);
            let note = Text::new(&"x".repeat(1_000));
            record
                .notes
                .metadata
                .insert(Text::new(&format!("{port:02}")), note);
        }
        record.role.protocols = (0..40).map(|n| Text::new(&format!("/{n}"))).collect();
        record
            .unknown
            .insert("blob".into(), "y".repeat(5_000).into());
        assert!(record.sanitise(Time::from_millis(1_000)) > 0);
        assert_eq!(record.addresses.len(), ADDRESSES_MAX);
        assert_eq!(record.role.protocols.len(), PROTOCOLS_MAX);
        assert_eq!(record.notes.metadata.len(), 4);
        assert!(record.unknown.is_empty());
    }
}
