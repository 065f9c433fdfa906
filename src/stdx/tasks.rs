//! The only place that spawns: tasks that shutdown can wait for, threads with names, blocking calls.

use std::future::Future;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};

/// A set of tasks that ends together: dropping it aborts what still runs.
#[derive(Debug, Default)]
pub struct Tasks(JoinSet<()>);

impl Tasks {
    /// An empty set.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Runs `task` in the set. A panic in it ends that task only; it is counted by [`Tasks::join`].
    pub fn spawn(&mut self, task: impl Future<Output = ()> + Send + 'static) {
        self.0.spawn(task);
    }

    /// Waits until every task has ended, at most `limit`. Returns how many were still running then.
    pub async fn join(&mut self, limit: Duration) -> usize {
        let all = async { while self.0.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(limit, all).await;
        self.0.len()
    }

    /// Takes what has ended out of the set, so that a long-lived set (connections) does not grow.
    pub fn reap(&mut self) {
        while self.0.try_join_next().is_some() {}
    }

    /// How many tasks are in the set.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True when the set holds no task.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A task nobody waits for, but whose result may be asked for: it goes on when the caller is dropped.
#[expect(clippy::disallowed_methods, reason = "this is the place")]
pub fn detached<T: Send + 'static>(task: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
    tokio::spawn(task)
}

/// Runs a call that blocks (disk) outside the async workers.
///
/// # Errors
/// Only when the call panicked or the runtime is shutting down.
#[expect(clippy::disallowed_methods, reason = "this is the place")]
pub async fn blocking<T: Send + 'static>(call: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(call).await.map_err(io::Error::other)
}

/// A channel's end in a thread of its own, that can also wait for a time. It sleeps while it waits.
#[derive(Debug)]
pub struct TimedReceiver<T> {
    runtime: tokio::runtime::Runtime,
    receiver: mpsc::Receiver<T>,
}

/// What a wait brought.
#[derive(Debug, PartialEq, Eq)]
pub enum Received<T> {
    /// A message.
    Message(T),
    /// Nothing in that time.
    TimedOut,
    /// All senders are gone.
    Closed,
}

impl<T> TimedReceiver<T> {
    /// The end of this channel.
    ///
    /// # Errors
    /// When the system gives no timer.
    pub fn new(receiver: mpsc::Receiver<T>) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        Ok(Self { runtime, receiver })
    }

    /// A message that is there already.
    pub fn try_recv(&mut self) -> Option<T> {
        self.receiver.try_recv().ok()
    }

    /// Waits for a message, at most `limit`.
    pub fn recv_timeout(&mut self, limit: Duration) -> Received<T> {
        // Most often under load: no timer is needed.
        match self.receiver.try_recv() {
            Ok(message) => return Received::Message(message),
            Err(mpsc::error::TryRecvError::Disconnected) => return Received::Closed,
            Err(mpsc::error::TryRecvError::Empty) => {}
        }
        let receiver = &mut self.receiver;
        match self.runtime.block_on(async { tokio::time::timeout(limit, receiver.recv()).await }) {
            Ok(Some(message)) => Received::Message(message),
            Ok(None) => Received::Closed,
            Err(_) => Received::TimedOut,
        }
    }
}

/// Calls `work` for 0 to `count - 1` on several threads at once, begun in this order, and waits for all. After a result
/// that is not `good`, no later number is begun; the answer ends with the first such result.
pub fn in_parallel<T: Send>(
    count: usize,
    threads: usize,
    work: impl Fn(usize) -> T + Sync,
    good: impl Fn(&T) -> bool + Sync,
) -> Vec<T> {
    let (next, end) = (AtomicUsize::new(0), AtomicUsize::new(count));
    let results: Mutex<Vec<Option<T>>> = Mutex::new((0..count).map(|_| None).collect());
    let run = || {
        loop {
            let index = next.fetch_add(1, Relaxed);
            if index >= end.load(Relaxed) {
                return;
            }
            let result = work(index);
            if !good(&result) {
                end.fetch_min(index + 1, Relaxed);
            }
            if let Some(place) = results.lock().unwrap_or_else(PoisonError::into_inner).get_mut(index) {
                *place = Some(result);
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..threads.min(count) {
            scope.spawn(run);
        }
        run();
    });
    let results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.into_iter().take(end.load(Relaxed)).flatten().collect()
}

/// A thread of its own, for loops that block for their whole life and for long work.
///
/// # Errors
/// When the system refuses another thread.
pub fn thread<T: Send + 'static>(
    name: &str,
    body: impl FnOnce() -> T + Send + 'static,
) -> io::Result<std::thread::JoinHandle<T>> {
    std::thread::Builder::new().name(name.to_owned()).spawn(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timed_receiver_gives_messages_then_time_then_the_end() {
        let (sender, receiver) = mpsc::channel(2);
        let mut timed = TimedReceiver::new(receiver).unwrap();
        sender.try_send(1).unwrap();
        assert_eq!(timed.recv_timeout(Duration::ZERO), Received::Message(1));
        assert_eq!(timed.recv_timeout(Duration::from_millis(1)), Received::TimedOut);
        let late = thread("late", move || {
            std::thread::sleep(Duration::from_millis(5));
            sender.try_send(2).unwrap();
        });
        assert_eq!(timed.recv_timeout(Duration::from_secs(60)), Received::Message(2));
        late.unwrap().join().unwrap();
        assert_eq!(timed.recv_timeout(Duration::from_secs(60)), Received::Closed);
    }

    #[test]
    fn results_come_in_order_and_end_with_the_first_bad_one() {
        for threads in [1, 2, 7] {
            assert_eq!(in_parallel(50, threads, |n| n, |_| true), (0..50).collect::<Vec<_>>());
            assert_eq!(in_parallel(50, threads, |n| n, |n| n % 20 != 19), (0..20).collect::<Vec<_>>());
            assert!(in_parallel(0, threads, |n| n, |_| true).is_empty());
        }
    }
}
