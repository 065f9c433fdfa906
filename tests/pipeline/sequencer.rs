//! Group commit: one wait for the disk for all who wait, in order.

use std::time::Duration;

use crate::disk::verified;
use crate::rig::{Plan, Rig, Scripted, named};

/// Every group ends in one signed checkpoint, so checkpoints are commits.
fn commits(rig: &Rig) -> usize {
    let text = std::fs::read_to_string(rig.dir.join("ledger/00000000000000000000.ndjson")).unwrap();
    text.lines().filter(|line| line.starts_with("{\"audit.checkpoint\"")).count()
}

#[tokio::test]
async fn requests_that_wait_together_share_a_wait_for_the_disk_and_keep_their_order() {
    let dir = tempfile::tempdir().unwrap();
    let exporter = Scripted::healthy();
    let rig = Rig::start(dir.path(), Plan::ledger(&exporter));
    let before = commits(&rig);
    let intake = rig.intake();
    let mut submitting: Vec<_> = (0..500)
        .map(|number| {
            let request = rig.request(crate::rig::request(&named(number..number + 1)));
            let intake = intake.clone();
            (number, Box::pin(async move { intake.submit(request).await }))
        })
        .collect();
    // All are polled in turn, so that all wait before the first is answered; answers come in the order of the requests.
    let mut answered = vec![];
    std::future::poll_fn(|cx| {
        submitting.retain_mut(|(number, future)| match future.as_mut().poll(cx) {
            std::task::Poll::Ready(result) => {
                result.unwrap();
                answered.push(*number);
                false
            }
            std::task::Poll::Pending => true,
        });
        if submitting.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    assert_eq!(answered.len(), 500);
    let groups = commits(&rig) - before;
    assert!((1..250).contains(&groups), "500 requests in {groups} commits");
    rig.rest().await;
    assert_eq!(exporter.taken(), named(0..500));
    rig.check_books();
    drop(intake);
    let ledger = rig.dir.join("ledger");
    rig.stop(Duration::from_secs(10)).await;
    verified(&ledger, 500);
}

#[tokio::test]
async fn more_requests_than_may_wait_are_refused_not_kept() {
    let dir = tempfile::tempdir().unwrap();
    let exporter = Scripted::healthy();
    let rig = Rig::start(dir.path(), Plan::spool(&exporter));
    let intake = rig.intake();
    let body = crate::rig::request(&named(0..1));
    let mut all: Vec<_> = (0..5000)
        .map(|_| {
            let (intake, request) = (intake.clone(), rig.request(body.clone()));
            Box::pin(async move { intake.submit(request).await })
        })
        .collect();
    let (mut taken, mut refused) = (0_usize, 0_usize);
    std::future::poll_fn(|cx| {
        all.retain_mut(|future| match future.as_mut().poll(cx) {
            std::task::Poll::Ready(Ok(_)) => {
                taken += 1;
                false
            }
            std::task::Poll::Ready(Err(_)) => {
                refused += 1;
                false
            }
            std::task::Poll::Pending => true,
        });
        if all.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    assert_eq!(taken + refused, 5000);
    rig.rest().await;
    assert_eq!(exporter.taken().len(), taken);
    drop((all, intake));
    rig.check_books();
    rig.stop(Duration::from_secs(10)).await;
}
