//! Sessions whose agent asks nobody: agents report a change of mode once, and what they do afterwards counts for more.
//!
//! Kept is one number a session. At most [`SESSIONS_MAX`] are kept, in two generations: when the younger one is full, the
//! older one is forgotten. A restart forgets all of them.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use super::context::is_bypass;
use super::event::{Event, Field};

/// How many sessions are remembered: 1 MiB at most.
pub(super) const SESSIONS_MAX: usize = 65_536;

/// The sessions in which the agent asks nobody.
#[derive(Debug, Default)]
pub(super) struct Modes {
    hasher: RandomState,
    sessions: Mutex<Generations>,
    /// There was such a session.
    any: AtomicBool,
}

#[derive(Debug, Default)]
struct Generations {
    young: HashSet<u64>,
    old: HashSet<u64>,
}

impl Modes {
    /// Takes in what the event says about the mode of its session, and tells the event what is known.
    pub(super) fn see(&self, event: &mut Event<'_>) {
        let Some(session) = event.first(Field::SessionId) else { return };
        if event.first(Field::ModeTo).is_none() && !self.any.load(Ordering::Acquire) {
            return;
        }
        let key = self.hasher.hash_one(session);
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        match event.first(Field::ModeTo) {
            Some(mode) if is_bypass(mode) => {
                sessions.add(key);
                self.any.store(true, Ordering::Release);
            }
            Some(_) => sessions.remove(key),
            None if sessions.has(key) && event.values(Field::ModeActive).is_empty() => {
                event.push(Field::ModeActive, "bypassPermissions");
            }
            None => {}
        }
    }

    /// Nobody is asked in this session.
    pub(super) fn asks_nobody(&self, session: &str) -> bool {
        self.any.load(Ordering::Acquire)
            && self.sessions.lock().unwrap_or_else(PoisonError::into_inner).has(self.hasher.hash_one(session))
    }
}

impl Generations {
    fn has(&self, key: u64) -> bool {
        self.young.contains(&key) || self.old.contains(&key)
    }

    fn add(&mut self, key: u64) {
        if self.young.len() >= SESSIONS_MAX / 2 {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key);
    }

    fn remove(&mut self, key: u64) {
        self.young.remove(&key);
        self.old.remove(&key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn active<'a>(modes: &Modes, session: &'a str, to: &'a str) -> bool {
        let mut event = Event::default();
        event.push(Field::SessionId, session);
        event.push(Field::ModeTo, to);
        modes.see(&mut event);
        event.has(Field::ModeActive, "bypassPermissions")
    }

    #[test]
    fn a_session_stays_in_its_mode_until_it_leaves_it() {
        let modes = Modes::default();
        assert!(!active(&modes, "a", ""));
        active(&modes, "a", "bypassPermissions");
        assert!(active(&modes, "a", "") && !active(&modes, "b", ""));
        active(&modes, "a", "default");
        assert!(!active(&modes, "a", ""));
    }

    #[test]
    fn there_is_a_most_of_sessions() {
        let mut sessions = Generations::default();
        (0..200_000).for_each(|key| sessions.add(key));
        assert!(sessions.young.len() + sessions.old.len() <= SESSIONS_MAX);
        assert!(sessions.has(199_999) && !sessions.has(0));
    }
}
