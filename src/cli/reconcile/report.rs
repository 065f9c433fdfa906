//! What the comparison says, for people and for programs.

use std::fmt::Write;

use super::books::{Books, Numbers, RANGES_MAX};
use crate::cli::Exit;
use crate::stdx::json::write_str;

/// For people.
pub(super) fn text(books: &Books) -> String {
    let mut out = format!("reconciled with {} ({})\n", books.origin, books.stream);
    line(&mut out, "ledger", &format!("{} records, verified", books.records));
    let mut copy = format!("{} records of this ledger", books.copies());
    for (count, what) in [(books.foreign, "of other ledgers"), (books.unsealed, "lines without a seal")] {
        if count > 0 {
            let _ = write!(copy, ", {count} {what}");
        }
    }
    line(&mut out, "copy", &copy);
    let grades = [
        ("A exact", "byte for byte what was sealed"),
        ("B same", "the same record in other words: order of members, escapes, spacing"),
        ("C presence", "there, at its place; whether it is unchanged cannot be checked"),
    ];
    for ((grade, meaning), count) in grades.into_iter().zip(books.grades) {
        if count > 0 {
            line(&mut out, grade, &format!("{count}: {meaning}"));
        }
    }
    for (name, count) in
        [("duplicates", books.duplicates), ("filtered", books.filtered), ("in flight", books.in_flight)]
    {
        if count > 0 {
            line(&mut out, name, &count.to_string());
        }
    }
    for (reason, count) in &books.refused {
        line(&mut out, "refused", &format!("{count}: {reason}"));
    }
    for (name, numbers, meaning) in findings(books) {
        if numbers.count > 0 {
            line(&mut out, name, &format!("{}: {meaning}: {}", numbers.count, list(numbers)));
        }
    }
    out.push_str(match books.exit() {
        Exit::Ok => "every record of the ledger is in the copy, or there is a reason why not\n",
        Exit::Inconclusive => {
            "cannot conclude: some bodies are gone from the ledger, so whether they were asked for is unknown\n"
        }
        _ => "the copy and the ledger do not agree\n",
    });
    out
}

fn findings(books: &Books) -> [(&'static str, &Numbers, &'static str); 5] {
    [
        ("undecided", &books.undecided, "not in the copy, and their bodies are gone"),
        ("UNEXPLAINED", &books.unexplained, "not in the copy, and there is no reason why not"),
        ("ALTERED", &books.altered, "not what was sealed"),
        ("EXTRA", &books.extra, "in the copy, but no records of the ledger"),
        ("BEYOND", &books.beyond, "the ledger ends before: it was cut off, or is older than the copy"),
    ]
}

fn line(out: &mut String, name: &str, text: &str) {
    let _ = writeln!(out, "  {name:<11} {text}");
}

fn list(numbers: &Numbers) -> String {
    let text = |(first, last): &(u64, u64)| match first == last {
        true => first.to_string(),
        false => format!("{first}-{last}"),
    };
    let listed: Vec<String> = numbers.ranges.iter().map(text).collect();
    let more = if numbers.ranges.len() == RANGES_MAX { ", .." } else { "" };
    format!("entries {}{more}", listed.join(", "))
}

/// For programs: one object, and a line end.
pub(super) fn json(books: &Books) -> String {
    let mut out = b"{\"origin\":".to_vec();
    write_str(&mut out, &books.origin);
    out.extend_from_slice(b",\"stream\":");
    write_str(&mut out, &books.stream);
    let [exact, same, presence] = books.grades;
    let counts = [
        ("exit", books.exit() as u64),
        ("records", books.records),
        ("copied", books.copies()),
        ("exact", exact),
        ("same", same),
        ("presence", presence),
        ("duplicates", books.duplicates),
        ("filtered", books.filtered),
        ("in_flight", books.in_flight),
        ("foreign", books.foreign),
        ("unsealed_lines", books.unsealed),
    ];
    for (name, count) in counts {
        out.extend_from_slice(format!(",\"{name}\":{count}").as_bytes());
    }
    out.extend_from_slice(b",\"refused\":{");
    for (index, (reason, count)) in books.refused.iter().enumerate() {
        out.extend_from_slice(if index > 0 { b"," } else { b"" });
        write_str(&mut out, reason);
        out.extend_from_slice(format!(":{count}").as_bytes());
    }
    out.push(b'}');
    for (name, numbers, _) in findings(books) {
        let ranges: Vec<String> = numbers.ranges.iter().map(|(first, last)| format!("[{first},{last}]")).collect();
        let name = name.to_lowercase();
        let text = format!(",\"{name}\":{{\"count\":{},\"first_ranges\":[{}]}}", numbers.count, ranges.join(","));
        out.extend_from_slice(text.as_bytes());
    }
    out.extend_from_slice(b"}\n");
    String::from_utf8(out).unwrap_or_default()
}
