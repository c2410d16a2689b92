//! Randomness that does not depend on who asks first. Every draw is made from a generator of its
//! own, seeded by what it is about; so two contestants who dial the same host meet the same delay,
//! and one more dial elsewhere changes nothing here. Nothing else in this crate draws numbers from
//! a shared stream.

use std::f64::consts::TAU;

use fastrand::Rng;

/// What a draw is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    /// What a host is: its addresses, its distance.
    Host = 1,
    /// The delay of one dial of it.
    Dial,
    /// Whom a bootstrap server names.
    Walk,
    /// When a broken link is noticed.
    Notice,
    /// When a host goes, and how.
    Fate,
    /// What a node has lived through with one peer.
    Past,
    /// The order in which a reference dials.
    Order,
    /// The engine's own seed.
    Engine,
    /// Whom a directory names.
    Directory,
    /// What kind of peer a host is.
    Kind,
}

/// The generator for the `nth` draw about something.
pub(crate) fn rng(seed: u64, subject: Subject, which: u64, nth: u64) -> Rng {
    let parts = [subject as u64, which, nth];
    Rng::with_seed(parts.into_iter().fold(mix(seed), |state, part| {
        mix(state ^ part.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }))
}

/// The finaliser of SplitMix64: neighbouring seeds lead to unrelated generators.
fn mix(mut state: u64) -> u64 {
    state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^ (state >> 31)
}

/// Normally distributed around 0 with deviation 1 (Box and Muller).
pub(crate) fn normal(rng: &mut Rng) -> f64 {
    let (radius, angle) = (1.0 - rng.f64(), rng.f64());
    (-2.0 * radius.ln()).sqrt() * (TAU * angle).cos()
}

/// Exponentially distributed with mean 1.
pub(crate) fn exponential(rng: &mut Rng) -> f64 {
    -(1.0 - rng.f64()).ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_question_gets_the_same_answer_and_another_another() {
        let draw = |seed, subject, which, nth| rng(seed, subject, which, nth).u64(..);
        let first = draw(1, Subject::Dial, 2, 3);
        assert_eq!(first, draw(1, Subject::Dial, 2, 3));
        for other in [
            draw(2, Subject::Dial, 2, 3),
            draw(1, Subject::Walk, 2, 3),
            draw(1, Subject::Dial, 3, 2),
            draw(1, Subject::Dial, 2, 4),
        ] {
            assert_ne!(first, other);
        }
    }

    #[test]
    fn the_distributions_have_the_mean_and_deviation_they_promise() {
        let n = 20_000;
        let mut rng = Rng::with_seed(5);
        let normals: Vec<f64> = (0..n).map(|_| normal(&mut rng)).collect();
        let mean = normals.iter().sum::<f64>() / f64::from(n);
        let square = normals.iter().map(|x| x * x).sum::<f64>() / f64::from(n);
        assert!(mean.abs() < 0.03 && (square - 1.0).abs() < 0.05);
        let waits = (0..n).map(|_| exponential(&mut rng)).sum::<f64>() / f64::from(n);
        assert!((waits - 1.0).abs() < 0.03, "{waits}");
    }
}
