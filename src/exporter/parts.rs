//! One payload in several requests: what one of them has settled stays settled, whatever becomes of the others.
//!
//! A destination with a limit on requests, or with tenants, gets a payload in parts. When a part has to wait, the ones before
//! it are not sent again: the plan of the payload is kept until the delivery loop comes back with it. A part that is refused
//! is halved here until the bad record stands alone. Only while nothing at all is settled is that left to the delivery loop.

use std::collections::BTreeSet;
use std::fmt;
use std::future::Future;
use std::sync::{Mutex, PoisonError};

use crate::exporter::{ExportError, Payload, Refusal};

/// Plans that are kept at once, each with its payload: one a pipeline that names the exporter. One more replaces the oldest, and
/// what that had settled is then sent again. A payload that was given up leaves its plan behind.
const KEPT_MAX: usize = 8;

/// A payload that is encoded, record by record.
pub(super) trait Parcel: Sync {
    /// The requests that it needs, each as the ascending places of its records.
    fn parts(&self) -> Vec<Vec<u64>>;

    /// Records that are not worth a request, since the destination's limits are known.
    fn refused(&self) -> Vec<Refusal>;

    /// Sends these records in one request.
    fn send(&self, places: &[u64]) -> impl Future<Output = Sent> + Send;
}

/// What came of a request.
#[derive(Debug)]
pub(super) enum Sent {
    /// All were taken.
    Taken,
    /// These will never be; the others are sent again without them.
    Refused(Vec<Refusal>),
    /// None was taken, or nobody knows.
    Failed(ExportError),
}

/// Payloads that are not through.
#[derive(Debug, Default)]
pub(super) struct Plans(Mutex<Vec<Plan>>);

struct Plan {
    payload: Payload,
    /// Parts that were not sent, the next one last.
    left: Vec<Vec<u64>>,
    refused: Vec<Refusal>,
    /// The destination has taken or refused a part.
    begun: bool,
}

/// Payloads stay out of messages.
impl fmt::Debug for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plan").field("left", &self.left.len()).finish_non_exhaustive()
    }
}

impl Plans {
    /// Sends what is left of a payload.
    ///
    /// # Errors
    /// Of the part that failed; `Partial` when all is settled and some records were refused.
    pub(super) async fn send(&self, payload: &Payload, parcel: &impl Parcel) -> Result<(), ExportError> {
        let mut plan = self.take(payload).unwrap_or_else(|| Plan::new(payload, parcel));
        while let Some(part) = plan.left.pop() {
            match parcel.send(&part).await {
                Sent::Taken => plan.begun = true,
                Sent::Refused(refused) => plan.refuse(&part, refused),
                Sent::Failed(ExportError::Permanent { cause }) if plan.is_divided() => plan.halve(part, cause),
                Sent::Failed(error) => {
                    if plan.is_divided() {
                        plan.left.push(part);
                        self.keep(plan);
                    }
                    return Err(error);
                }
            }
        }
        plan.result()
    }

    fn take(&self, payload: &Payload) -> Option<Plan> {
        let mut plans = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = plans.iter().position(|plan| plan.payload.is_same(payload))?;
        Some(plans.swap_remove(at))
    }

    fn keep(&self, plan: Plan) {
        let mut plans = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if plans.len() >= KEPT_MAX {
            plans.remove(0);
        }
        plans.push(plan);
    }
}

impl Plan {
    fn new(payload: &Payload, parcel: &impl Parcel) -> Self {
        let mut left = parcel.parts();
        left.reverse();
        Self { payload: payload.clone(), left, refused: parcel.refused(), begun: false }
    }

    /// True when the delivery loop cannot halve the payload without sending again, or anew, what is settled.
    fn is_divided(&self) -> bool {
        self.begun || !self.left.is_empty() || !self.refused.is_empty()
    }

    fn refuse(&mut self, part: &[u64], refused: Vec<Refusal>) {
        let named: BTreeSet<u64> = refused.iter().flat_map(|refusal| &refusal.records).copied().collect();
        let rest: Vec<u64> = part.iter().copied().filter(|place| !named.contains(place)).collect();
        self.begun = true;
        if rest.len() == part.len() {
            // Nobody was named: without progress it would go on for ever.
            return self.halve(rest, refused.into_iter().next().map_or_else(String::new, |refusal| refusal.cause));
        }
        self.refused.extend(refused);
        if !rest.is_empty() {
            self.left.push(rest);
        }
    }

    fn halve(&mut self, mut part: Vec<u64>, cause: String) {
        if part.len() < 2 {
            self.refused.push(Refusal { records: part, cause });
            return;
        }
        let second = part.split_off(part.len() / 2);
        self.left.extend([second, part]);
    }

    fn result(self) -> Result<(), ExportError> {
        if self.refused.is_empty() { Ok(()) } else { Err(ExportError::Partial { refused: self.refused }) }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use bytes::Bytes;

    use super::*;
    use crate::otlp::Signal;

    /// Takes records but the bad one; is busy for the given number of requests before that.
    struct Scripted {
        parts: Vec<Vec<u64>>,
        bad: u64,
        busy_at: Mutex<Vec<usize>>,
        named: bool,
        sent: Mutex<Vec<Vec<u64>>>,
        taken: Mutex<Vec<u64>>,
    }

    impl Scripted {
        /// Parts that end before these places.
        fn new(ends: &[u64], bad: u64, busy_at: &[usize], named: bool) -> Self {
            let starts = [0].into_iter().chain(ends.iter().copied());
            Self {
                parts: starts.zip(ends).map(|(start, end)| (start..*end).collect()).collect(),
                bad,
                busy_at: Mutex::new(busy_at.to_vec()),
                named,
                sent: Mutex::default(),
                taken: Mutex::default(),
            }
        }
    }

    impl Parcel for Scripted {
        fn parts(&self) -> Vec<Vec<u64>> {
            self.parts.clone()
        }

        fn refused(&self) -> Vec<Refusal> {
            vec![]
        }

        async fn send(&self, places: &[u64]) -> Sent {
            let mut sent = self.sent.lock().unwrap();
            sent.push(places.to_vec());
            let cause = String::from("no");
            let mut busy = self.busy_at.lock().unwrap();
            if let Some(at) = busy.iter().position(|at| *at == sent.len()) {
                busy.swap_remove(at);
                return Sent::Failed(ExportError::Retry { after: None, cause });
            }
            if places.contains(&self.bad) {
                let records = vec![self.bad];
                return if self.named {
                    Sent::Refused(vec![Refusal { records, cause }])
                } else {
                    Sent::Failed(ExportError::Permanent { cause })
                };
            }
            self.taken.lock().unwrap().extend(places);
            Sent::Taken
        }
    }

    fn payload() -> Payload {
        Payload::from_lines(Signal::Logs, Bytes::from_static(b"{}\n"), 1)
    }

    fn no(records: Vec<u64>) -> Result<(), ExportError> {
        Err(ExportError::Partial { refused: vec![Refusal { records, cause: "no".to_owned() }] })
    }

    #[tokio::test]
    async fn what_was_taken_is_not_sent_again_when_a_later_part_has_to_wait() {
        let (plans, payload) = (Plans::default(), payload());
        let parcel = Scripted::new(&[3, 6, 9], 99, &[2, 4], false);
        for _ in 0..2 {
            assert!(matches!(plans.send(&payload, &parcel).await, Err(ExportError::Retry { .. })));
        }
        assert_eq!(plans.send(&payload, &parcel).await, Ok(()));
        assert_eq!(*parcel.taken.lock().unwrap(), (0..9).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn a_bad_record_costs_one_record_and_no_other_is_sent_twice_to_be_taken() {
        for bad in 0..9 {
            let parcel = Scripted::new(&[3, 9], bad, &[4], false);
            let (plans, payload) = (Plans::default(), payload());
            let mut result = plans.send(&payload, &parcel).await;
            if matches!(result, Err(ExportError::Retry { .. })) {
                result = plans.send(&payload, &parcel).await;
            }
            assert_eq!(result, no(vec![bad]), "{bad}");
            assert_eq!(*parcel.taken.lock().unwrap(), (0..9).filter(|place| *place != bad).collect::<Vec<_>>());
        }
    }

    #[tokio::test]
    async fn a_named_record_costs_one_request() {
        let parcel = Scripted::new(&[9], 4, &[], true);
        assert_eq!(Plans::default().send(&payload(), &parcel).await, no(vec![4]));
        assert_eq!(*parcel.sent.lock().unwrap(), [(0..9).collect::<Vec<_>>(), vec![0, 1, 2, 3, 5, 6, 7, 8]]);
    }

    #[tokio::test]
    async fn a_payload_in_one_piece_is_halved_by_the_delivery_loop() {
        let parcel = Scripted::new(&[9], 4, &[], false);
        let result = Plans::default().send(&payload(), &parcel).await;
        assert_eq!(result, Err(ExportError::Permanent { cause: "no".to_owned() }));
    }
}
