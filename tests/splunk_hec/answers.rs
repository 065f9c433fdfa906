//! One exporter, one payload, and a collector that says all kinds of things.

use std::time::Duration;

use serde_json::json;
use telseal::exporter::{ExportError, Refusal};

use crate::hec::{Acks, Fault, Hec, TOKEN};
use crate::process::eventually;
use crate::{export, exporter, numbers, records};

fn cause(error: &ExportError) -> &str {
    match error {
        ExportError::Retry { cause, .. } | ExportError::Permanent { cause } | ExportError::Pause { cause } => cause,
        ExportError::Partial { refused } => &refused[0].cause,
    }
}

#[test]
fn a_payload_counts_only_once_it_is_acknowledged_however_late() {
    let hec = Hec::start(Acks::After(3));
    let exporter = exporter(&hec, &json!({"acknowledgements": {"query_interval": "20ms"}}));
    export(&exporter, &records(0..5)).unwrap();
    assert_eq!(numbers(&hec.indexed()), [0, 1, 2, 3, 4]);
    assert_eq!((hec.seen().len(), hec.questions()), (1, 4));
}

#[test]
fn what_is_never_acknowledged_is_sent_again_on_another_channel() {
    let hec = Hec::start(Acks::Never);
    let exporter = exporter(&hec, &json!({"acknowledgements": {"query_interval": "10ms", "timeout": "50ms"}}));
    let payload = records(0..5);
    let error = export(&exporter, &payload).unwrap_err();
    assert!(
        matches!(error, ExportError::Retry { .. }) && cause(&error).contains("did not acknowledge 1 requests"),
        "{error:?}"
    );
    assert!(hec.indexed().is_empty());
    hec.set_acks(Acks::After(0));
    export(&exporter, &payload).unwrap();
    assert_eq!(numbers(&hec.indexed()), [0, 1, 2, 3, 4]);
    let channels: Vec<_> = hec.seen().into_iter().map(|seen| seen.channel.unwrap()).collect();
    assert_eq!(channels.len(), 2);
    assert_ne!(channels[0], channels[1]);
}

#[test]
fn behind_a_load_balancer_the_cookie_leads_to_the_machine_that_knows() {
    let hec = Hec::start(Acks::After(1));
    hec.be_sticky();
    let exporter = exporter(&hec, &json!({"acknowledgements": {"query_interval": "10ms", "timeout": "2s"}}));
    export(&exporter, &records(0..2)).unwrap();
    export(&exporter, &records(2..4)).unwrap();
    let cookies: Vec<_> = hec.seen().into_iter().map(|seen| seen.cookie).collect();
    assert_eq!(cookies, [None, Some("AWSALB=machine-1".to_owned())]);
}

#[test]
fn a_question_that_fails_is_asked_again_and_nothing_is_sent_twice() {
    let mut hec = Hec::start(Acks::After(2));
    let exporter = exporter(&hec, &json!({"acknowledgements": {"query_interval": "300ms"}, "timeout": "1s"}));
    let payload = records(0..3);
    let error = std::thread::scope(|scope| {
        let asked = scope.spawn(|| export(&exporter, &payload));
        eventually("the request", || (!hec.seen().is_empty()).then_some(()));
        hec.down();
        asked.join().unwrap().unwrap_err()
    });
    assert!(matches!(error, ExportError::Retry { .. }), "{error:?}");
    hec.up();
    export(&exporter, &payload).unwrap();
    assert_eq!((hec.seen().len(), numbers(&hec.indexed())), (1, vec![0, 1, 2]));
}

#[test]
fn a_token_without_acknowledgement_is_taken_at_its_word_unless_more_is_required() {
    let hec = Hec::start(Acks::Off);
    export(&exporter(&hec, &json!({})), &records(0..1)).unwrap();
    let strict = exporter(&hec, &json!({"acknowledgements": {"required": true}}));
    let error = export(&strict, &records(0..1)).unwrap_err();
    assert!(matches!(error, ExportError::Pause { .. }) && cause(&error).contains("no `ackId`"), "{error:?}");
    let hec = Hec::start(Acks::Disabled);
    let error = export(&exporter(&hec, &json!({})), &records(0..1)).unwrap_err();
    assert!(matches!(error, ExportError::Pause { .. }) && cause(&error).contains("HEC code 14"), "{error:?}");
    let hec = Hec::start(Acks::Never);
    let trusting = json!({"acknowledgements": {"indexer_acknowledgements_enabled": false}});
    export(&exporter(&hec, &trusting), &records(0..1)).unwrap();
    assert_eq!(hec.questions(), 0);
}

#[test]
fn one_bad_event_costs_one_event() {
    for (acks, doubled) in [(Acks::Off, 0), (Acks::After(0), 3)] {
        let hec = Hec::start(acks);
        let exporter = exporter(&hec, &json!({"acknowledgements": {"query_interval": "10ms"}}));
        export(&exporter, &records(90..91)).unwrap();
        hec.next([Fault::Invalid(3)]);
        let error = export(&exporter, &records(0..8)).unwrap_err();
        let ExportError::Partial { refused } = &error else { panic!("{error:?}") };
        assert!(matches!(&refused[..], [Refusal { records, .. }] if records == &[3]), "{error:?}");
        assert!(cause(&error).contains("HEC code 6"), "{error}");
        let mut found = numbers(&hec.indexed());
        found.sort_unstable();
        assert_eq!(found.len(), 8 + doubled, "no answer said that those before the bad one are indexed: {found:?}");
        found.dedup();
        assert_eq!(found, [0, 1, 2, 4, 5, 6, 7, 90]);
    }
}

#[test]
fn only_what_was_not_confirmed_is_sent_again() {
    let hec = Hec::start(Acks::Off);
    let exporter = exporter(&hec, &json!({"max_content_length_logs": "300"}));
    hec.next([Fault::Code(0), Fault::Code(24), Fault::Code(9)]);
    let payload = records(0..20);
    let error = export(&exporter, &payload).unwrap_err();
    assert!(matches!(error, ExportError::Retry { .. }) && cause(&error).contains("HEC code 9"), "{error:?}");
    assert!(hec.indexed().len() < 20);
    export(&exporter, &payload).unwrap();
    assert_eq!(numbers(&hec.indexed()), (0..20).collect::<Vec<_>>());
    assert!(hec.seen().len() > 3 && hec.seen().iter().all(|seen| seen.bytes <= 300));
}

#[test]
fn requests_are_bounded_before_and_after_compression() {
    let hec = Hec::start(Acks::Off);
    let exporter = exporter(&hec, &json!({"max_content_length_logs": "500", "compression": "gzip"}));
    export(&exporter, &records(0..50)).unwrap();
    assert_eq!(numbers(&hec.indexed()), (0..50).collect::<Vec<_>>());
    assert!(hec.seen().iter().all(|seen| seen.bytes <= 500 && seen.wire_bytes <= 500 && seen.wire_bytes < seen.bytes));
}

#[test]
fn an_event_that_is_too_large_is_put_aside_alone() {
    let hec = Hec::start(Acks::Off);
    let record = |digits: &str| json!({"body": {"stringValue": format!("record {digits}")}});
    let logs = [record("1"), record(&format!("{:0>60}", 2)), record("3")];
    let request = json!({"resourceLogs": [{"scopeLogs": [{"logRecords": logs}]}]});
    let payload = crate::mapping::payload(telseal::otlp::Signal::Logs, 3, &request);
    let error = export(&exporter(&hec, &json!({"max_event_size": "60"})), &payload).unwrap_err();
    assert!(matches!(&error, ExportError::Partial { refused } if refused[0].records == [1]), "{error:?}");
    assert_eq!(numbers(&hec.indexed()), [1, 3]);
}

#[test]
fn an_index_from_the_configuration_pauses_and_one_from_an_attribute_is_put_aside() {
    let hec = Hec::start(Acks::Off);
    hec.allow_indexes(&["main"]);
    let wrong = exporter(&hec, &json!({"index": "mian"}));
    let error = export(&wrong, &records(0..1)).unwrap_err();
    assert!(matches!(error, ExportError::Pause { .. }) && cause(&error).contains("HEC code 7"), "{error:?}");
    let request = json!({"resourceLogs": [{"scopeLogs": [{"logRecords": [
        {"body": {"stringValue": "record 0"}},
        {"body": {"stringValue": "record 1"}, "attributes": [{"key": "com.splunk.index", "value": {"stringValue": "elsewhere"}}]},
        {"body": {"stringValue": "record 2"}, "attributes": [{"key": "com.splunk.index", "value": {"stringValue": "main"}}]},
    ]}]}]});
    let payload = crate::mapping::payload(telseal::otlp::Signal::Logs, 3, &request);
    let error = export(&exporter(&hec, &json!({})), &payload).unwrap_err();
    assert!(matches!(&error, ExportError::Partial { refused } if refused[0].records == [1]), "{error:?}");
    assert!(!cause(&error).contains("elsewhere"), "{error}");
    assert_eq!(numbers(&hec.indexed()), [0, 2]);
    // Names that are not allowed are not used.
    let confined = exporter(&hec, &json!({"allowed_indexes": ["main"]}));
    export(&confined, &payload).unwrap();
}

#[test]
fn a_resource_chooses_among_the_tokens_by_name_and_never_brings_one() {
    let hec = Hec::start(Acks::Off);
    hec.add_token("second-token");
    let group = |name: &str, number: u64| {
        json!({"resource": {"attributes": [{"key": "com.splunk.hec.access_token", "value": {"stringValue": name}}]},
            "scopeLogs": [{"logRecords": [{"body": {"stringValue": format!("record {number}")}}]}]})
    };
    let request =
        json!({"resourceLogs": [group("audit", 0), group("second-token", 1), group("", 2), group("audit", 3)]});
    let payload = crate::mapping::payload(telseal::otlp::Signal::Logs, 4, &request);
    export(&exporter(&hec, &json!({"tokens": {"audit": "second-token"}})), &payload).unwrap();
    let mut found: Vec<_> = hec.seen().into_iter().map(|seen| (seen.token, numbers(&seen.events))).collect();
    found.sort();
    assert_eq!(found, [(TOKEN.to_owned(), vec![1, 2]), ("second-token".to_owned(), vec![0, 3])]);
    assert!(!hec.indexed().iter().any(|event| event.to_string().contains("token")), "{:?}", hec.indexed());
}

#[test]
fn health_is_asked_before_the_first_request_and_after_failures() {
    let hec = Hec::start(Acks::Off);
    hec.set_healthy(false);
    let careful = exporter(&hec, &json!({"health_check_enabled": true}));
    let error = export(&careful, &records(0..1)).unwrap_err();
    assert!(matches!(error, ExportError::Retry { .. }) && cause(&error).contains("HEC code 18"), "{error:?}");
    assert!(hec.seen().is_empty());
    hec.set_healthy(true);
    export(&careful, &records(0..1)).unwrap();
    hec.set_healthy(false);
    export(&careful, &records(1..2)).unwrap();
    hec.next([Fault::Page(502)]);
    export(&careful, &records(2..3)).unwrap_err();
    let error = export(&careful, &records(2..3)).unwrap_err();
    assert!(cause(&error).contains("HEC code 18"), "{error:?}");
}

#[test]
fn another_endpoint_stands_in_and_keeps_its_own_channel() {
    let (mut first, second) = (Hec::start(Acks::After(1)), Hec::start(Acks::After(1)));
    let both = json!({"endpoint": [first.url(), second.url()], "acknowledgements": {"query_interval": "10ms"}});
    let exporter = exporter(&first, &both);
    export(&exporter, &records(0..1)).unwrap();
    first.down();
    export(&exporter, &records(1..2)).unwrap();
    export(&exporter, &records(2..3)).unwrap();
    assert_eq!((numbers(&first.indexed()), numbers(&second.indexed())), (vec![0], vec![1, 2]));
    assert_ne!(first.seen()[0].channel, second.seen()[0].channel);
}

#[test]
fn an_answer_that_cannot_be_read_or_comes_too_late() {
    let hec = Hec::start(Acks::Off);
    let patient = exporter(&hec, &json!({"timeout": "200ms"}));
    hec.next([Fault::Garbage, Fault::Slow(Duration::from_secs(1))]);
    export(&patient, &records(0..1)).unwrap();
    let error = export(&patient, &records(1..2)).unwrap_err();
    assert!(matches!(error, ExportError::Retry { .. }) && cause(&error).contains("no answer within"), "{error:?}");
}

#[test]
fn no_token_and_no_telemetry_is_in_any_message() {
    let hec = Hec::start(Acks::Off);
    let exporter = exporter(&hec, &json!({"tokens": {"x": "other-hunter2"}}));
    for code in 1..=30 {
        hec.next([Fault::Code(code)]);
        let error = export(&exporter, &records(0..3));
        let said = format!("{error:?} {exporter:?} {exporter:#?}");
        assert!(!said.contains("hunter2") && !said.contains("record 1"), "{said}");
        if !matches!(code, 17 | 24 | 25) {
            assert!(error.unwrap_err().to_string().starts_with("127.0.0.1:"), "{code}");
        }
    }
}
