//! How long to wait before the next try: exponential, with full jitter.

use std::time::Duration;

/// Doubling waits between `initial` and `max`; each is drawn evenly from zero to the current ceiling, so that
/// many senders that failed together do not come back together.
#[derive(Debug, Clone)]
pub struct Backoff {
    initial: Duration,
    max: Duration,
    multiplier: f64,
    ceiling: Duration,
    seed: u64,
}

impl Backoff {
    /// Starts at `initial`, grows by `multiplier`, never asks for more than `max`. `seed` makes a test repeatable.
    #[must_use]
    pub fn new(initial: Duration, max: Duration, multiplier: f64, seed: u64) -> Self {
        Self { initial, max, multiplier, ceiling: initial, seed: seed | 1 }
    }

    /// The next wait.
    pub fn next_wait(&mut self) -> Duration {
        let ceiling = self.ceiling.min(self.max);
        self.ceiling =
            Duration::try_from_secs_f64(ceiling.as_secs_f64() * self.multiplier).unwrap_or(self.max).min(self.max);
        ceiling.mul_f64(self.draw())
    }

    /// Back to the beginning: the last try worked.
    pub fn reset(&mut self) {
        self.ceiling = self.initial;
    }

    /// xorshift64*: even enough for jitter, and no dependency. In [0, 1).
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
    fn draw(&mut self) -> f64 {
        self.seed ^= self.seed >> 12;
        self.seed ^= self.seed << 25;
        self.seed ^= self.seed >> 27;
        (self.seed.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Backoff;

    #[test]
    fn waits_grow_to_the_maximum_and_start_again_after_a_success() {
        let second = Duration::from_secs(1);
        let mut backoff = Backoff::new(second, 30 * second, 2.0, 7);
        for ceiling in [1, 2, 4, 8, 16, 30, 30] {
            assert!(backoff.next_wait() <= ceiling * second);
        }
        backoff.reset();
        assert!(backoff.next_wait() <= second);
    }

    #[test]
    fn jitter_is_spread_over_the_whole_range() {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(1), 1.0, 42);
        let waits: Vec<_> = (0..1000).map(|_| backoff.next_wait().as_millis()).collect();
        assert!(waits.iter().any(|w| *w < 100) && waits.iter().any(|w| *w > 900));
    }
}
