//! A bar on standard error for work that takes long, where somebody watches.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::complain;
use crate::ledger::verify::Progress;
use crate::stdx::bytesize::ByteSize;
use crate::stdx::tasks;

/// Short work shows nothing.
const FIRST_AFTER: Duration = Duration::from_millis(700);
const EVERY: Duration = Duration::from_millis(100);
const WIDTH: usize = 30;

/// A bar that moves until it is dropped, and then is gone.
pub(super) struct Bar {
    done: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Bar {
    pub(super) fn start(progress: Arc<Progress>) -> Self {
        let done = Arc::new(AtomicBool::new(false));
        let stop = done.clone();
        let thread = tasks::thread("progress", move || draw_until(&stop, &progress)).ok();
        Self { done, thread }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.done.store(true, Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            let _ = thread.join();
        }
    }
}

fn draw_until(stop: &AtomicBool, progress: &Progress) {
    let began = Instant::now();
    let mut drawn = false;
    while !stop.load(Relaxed) {
        if began.elapsed() >= FIRST_AFTER {
            complain(format!("\r{}\x1b[K", line(progress, began.elapsed())));
            drawn = true;
        }
        std::thread::park_timeout(EVERY);
    }
    if drawn {
        complain("\r\x1b[K");
    }
}

/// `[#####.....] 45%  1.2 GiB of 2.7 GiB  812 MiB/s  2 s left`
fn line(progress: &Progress, elapsed: Duration) -> String {
    let total = progress.total.load(Relaxed).max(1);
    let done = progress.done.load(Relaxed).min(total);
    let full = usize::try_from(u128::from(done) * WIDTH as u128 / u128::from(total)).unwrap_or(WIDTH);
    let percent = u128::from(done) * 100 / u128::from(total);
    let mut line = format!("[{}{}] {percent:3}%", "#".repeat(full), ".".repeat(WIDTH - full));
    let _ = write!(line, "  {} of {}", rounded(done), rounded(total));
    let millis = elapsed.as_millis().max(1);
    let per_second = u64::try_from(u128::from(done) * 1000 / millis).unwrap_or(u64::MAX);
    if let Some(left) = (total - done).checked_div(per_second) {
        let _ = write!(line, "  {}/s  {left} s left", rounded(per_second));
    }
    line
}

/// To the megabyte: more digits only flicker.
fn rounded(bytes: u64) -> String {
    const MIB: u64 = 1 << 20;
    if bytes < 10 * MIB { ByteSize(bytes).to_string() } else { format!("{} MiB", bytes / MIB) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_says_how_far_how_fast_and_how_long_still() {
        let progress = Progress { total: (400 << 20).into(), done: (100 << 20).into() };
        let text = line(&progress, Duration::from_secs(2));
        assert_eq!(text, "[#######.......................]  25%  100 MiB of 400 MiB  50 MiB/s  6 s left");
        assert!(line(&Progress::default(), Duration::ZERO).starts_with("[......"));
    }
}
