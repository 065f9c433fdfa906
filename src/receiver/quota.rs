//! How much each tenant may send: token buckets for requests and for bytes.
//!
//! A request takes one token before its body is read, and its bytes, once they are known, may take the other bucket below
//! zero: the tenant then waits until it has filled up again. So the average holds, whatever the size of a request.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::Deserialize;
use tokio::time::Instant;

use crate::stdx::bytesize::ByteSize;
use crate::stdx::duration::Span;
use crate::stdx::problem::{At, Problems};

/// Tenants that are remembered. They have names that were proven, so only who may send can use up the places.
const TENANTS_MAX: usize = 10_000;

/// What each tenant may send over a protocol. A tenant is what the authenticator says, else the name that was proven; all
/// senders without a name are one.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Requests a second. Default 0: no limit.
    pub requests_per_second: u32,
    /// Bytes a second, after decompression. Default 0: no limit.
    pub bytes_per_second: ByteSize,
    /// How long a tenant that was quiet may send faster: the buckets hold what comes in in this time. Default 10s.
    pub burst: Span,
}

impl Default for Limits {
    fn default() -> Self {
        Self { requests_per_second: 0, bytes_per_second: ByteSize(0), burst: Span::secs(10) }
    }
}

impl Limits {
    /// Notes what is wrong.
    pub fn check(&self, at: &At, problems: &mut Problems) {
        if self.burst.0 < Duration::from_secs(1) {
            problems.add(&at.key("burst"), "must be at least 1s");
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    rate: f64,
    size: f64,
}

impl Bucket {
    fn new(rate: f64, burst: Duration) -> Option<Self> {
        (rate > 0.0).then(|| Self { rate, size: (rate * burst.as_secs_f64()).max(1.0) })
    }

    /// When there are `wanted` tokens again.
    fn wait(self, level: f64, wanted: f64) -> Option<Duration> {
        (level < wanted).then(|| Duration::from_secs_f64(((wanted - level) / self.rate).min(3_600.0)))
    }
}

/// What a tenant has left.
#[derive(Debug, Clone, Copy)]
struct Left {
    requests: f64,
    bytes: f64,
    at: Instant,
}

/// The limits of one protocol, and what its tenants have left.
#[derive(Debug)]
pub(super) struct Quota {
    requests: Option<Bucket>,
    bytes: Option<Bucket>,
    tenants: Mutex<HashMap<String, Left>>,
}

impl Quota {
    /// Nothing where nothing is limited.
    #[expect(clippy::cast_precision_loss, reason = "a rate of more than 2^53 bytes a second is none")]
    pub(super) fn new(limits: &Limits) -> Option<Self> {
        let requests = Bucket::new(f64::from(limits.requests_per_second), limits.burst.0);
        let bytes = Bucket::new(limits.bytes_per_second.0 as f64, limits.burst.0);
        (requests.is_some() || bytes.is_some()).then(|| Self { requests, bytes, tenants: Mutex::default() })
    }

    /// Takes a request of this tenant.
    ///
    /// # Errors
    /// When the tenant has to wait, and how long.
    pub(super) fn admit(&self, tenant: &str) -> Result<(), Duration> {
        self.with(tenant, |left| {
            let requests = self.requests.and_then(|bucket| bucket.wait(left.requests, 1.0));
            let bytes = self.bytes.and_then(|bucket| bucket.wait(left.bytes, 0.0));
            if let Some(wait) = requests.max(bytes) {
                return Err(wait);
            }
            left.requests -= 1.0;
            Ok(())
        })
    }

    /// Counts the bytes of a request that was admitted.
    #[expect(clippy::cast_precision_loss, reason = "no request has 2^53 bytes")]
    pub(super) fn charge(&self, tenant: &str, bytes: usize) {
        self.with(tenant, |left| left.bytes -= bytes as f64);
    }

    fn with<T>(&self, tenant: &str, take: impl FnOnce(&mut Left) -> T) -> T {
        let now = Instant::now();
        let mut tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(left) = tenants.get_mut(tenant) {
            self.fill(left, now);
            return take(left);
        }
        if tenants.len() >= TENANTS_MAX {
            self.forget(&mut tenants, now);
        }
        let full = |bucket: Option<Bucket>| bucket.map_or(0.0, |bucket| bucket.size);
        let new = Left { requests: full(self.requests), bytes: full(self.bytes), at: now };
        take(tenants.entry(tenant.to_owned()).or_insert(new))
    }

    fn fill(&self, left: &mut Left, now: Instant) {
        let seconds = now.duration_since(left.at).as_secs_f64();
        let filled = |bucket: Option<Bucket>, level: f64| {
            bucket.map_or(level, |bucket| bucket.rate.mul_add(seconds, level).min(bucket.size))
        };
        *left = Left { requests: filled(self.requests, left.requests), bytes: filled(self.bytes, left.bytes), at: now };
    }

    /// Makes room: tenants whose buckets are full again are as good as new ones. Should all be busy, all begin anew.
    fn forget(&self, tenants: &mut HashMap<String, Left>, now: Instant) {
        let is_full = |bucket: Option<Bucket>, level: f64| bucket.is_none_or(|bucket| level >= bucket.size);
        tenants.retain(|_, left| {
            self.fill(left, now);
            !(is_full(self.requests, left.requests) && is_full(self.bytes, left.bytes))
        });
        if tenants.len() >= TENANTS_MAX {
            tenants.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quota(yaml: &str) -> Quota {
        Quota::new(&serde_saphyr::from_str(yaml).unwrap()).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn requests_are_taken_at_their_rate_after_a_burst_and_each_tenant_for_itself() {
        let quota = quota("{requests_per_second: 2, burst: 2s}");
        for _ in 0..4 {
            assert_eq!(quota.admit("a"), Ok(()));
        }
        assert_eq!(quota.admit("a"), Err(Duration::from_millis(500)));
        assert_eq!(quota.admit("b"), Ok(()), "another tenant");
        tokio::time::advance(Duration::from_millis(500)).await;
        assert_eq!(quota.admit("a"), Ok(()));
        assert!(quota.admit("a").is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn bytes_may_go_below_zero_once_and_are_waited_for_then() {
        let quota = quota("{bytes_per_second: 100, burst: 1s}");
        assert_eq!(quota.admit("a"), Ok(()));
        quota.charge("a", 400);
        assert_eq!(quota.admit("a"), Err(Duration::from_secs(3)));
        tokio::time::advance(Duration::from_secs(3)).await;
        assert_eq!(quota.admit("a"), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn quiet_tenants_are_forgotten_before_busy_ones() {
        let quota = quota("{requests_per_second: 1, burst: 1s}");
        for tenant in 0..TENANTS_MAX {
            assert_eq!(quota.admit(&tenant.to_string()), Ok(()));
        }
        tokio::time::advance(Duration::from_millis(1_500)).await;
        assert_eq!(quota.admit("0"), Ok(()));
        assert_eq!(quota.admit("new"), Ok(()));
        assert_eq!(quota.tenants.lock().unwrap().len(), 2, "the busy one and the new one");
        assert!(quota.admit("0").is_err());
    }

    #[test]
    fn without_a_limit_there_is_nothing_to_ask() {
        assert!(Quota::new(&Limits::default()).is_none());
    }
}
