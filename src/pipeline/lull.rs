//! Whether there is time for what can wait: closed segments are packed when little is written, so that a flood gets the
//! processor to itself.

use std::time::{Duration, Instant};

/// How long it is looked at what is written.
const WINDOW: Duration = Duration::from_secs(1);
/// More than this in a window is no rest: some thousand records a second.
const REST_BYTES: u64 = 8 << 20;

/// Watches how much is written.
#[derive(Debug)]
pub(super) struct Lull {
    began: Instant,
    bytes: u64,
    /// Little was written in the window before.
    was_quiet: bool,
}

impl Lull {
    pub(super) fn new(now: Instant) -> Self {
        Self { began: now, bytes: 0, was_quiet: true }
    }

    /// So much was written.
    pub(super) fn wrote(&mut self, bytes: u64, now: Instant) {
        self.look(now);
        self.bytes += bytes;
    }

    /// True when little was written lately.
    pub(super) fn is_on(&mut self, now: Instant) -> bool {
        self.look(now);
        self.was_quiet && self.bytes <= REST_BYTES
    }

    fn look(&mut self, now: Instant) {
        if now.saturating_duration_since(self.began) >= WINDOW {
            self.was_quiet = self.bytes <= REST_BYTES;
            (self.began, self.bytes) = (now, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_no_rest_until_a_window_after_its_end_was_quiet() {
        let begin = Instant::now();
        let at = |millis| begin + Duration::from_millis(millis);
        let mut lull = Lull::new(begin);
        assert!(lull.is_on(at(0)));
        for step in 0..30 {
            lull.wrote(REST_BYTES / 4, at(step * 100));
            assert_eq!(lull.is_on(at(step * 100)), step < 4, "step {step}");
        }
        assert!(!lull.is_on(at(3500)));
        assert!(lull.is_on(at(4600)));
    }

    #[test]
    fn a_steady_trickle_is_a_rest() {
        let begin = Instant::now();
        let mut lull = Lull::new(begin);
        for step in 0..100 {
            let now = begin + WINDOW * step / 10;
            lull.wrote(REST_BYTES / 11, now);
            assert!(lull.is_on(now), "step {step}");
        }
    }
}
