//! From a dotted path to line and column: where a finding of `check` was written.

use super::yaml::{Data, Place, Yaml};

/// The place of `path`, or of the nearest thing around it that was written.
///
/// A word or number is at its own place, so are list items; a mapping, a list and an empty value are at their key.
pub(super) fn place(tree: &Yaml, path: &str) -> Place {
    walk(tree, path).place
}

struct Found {
    place: Place,
    /// Characters of the path that were followed.
    followed: usize,
}

fn walk(tree: &Yaml, path: &str) -> Found {
    let step = match &tree.data {
        Data::Map(_) => best_key(tree, path),
        Data::List(items) => item(items, path),
        Data::Scalar(_) | Data::Removed => None,
    };
    step.unwrap_or(Found { place: tree.place, followed: 0 })
}

/// Keys may hold dots: the key that leads furthest is the right one.
fn best_key(tree: &Yaml, path: &str) -> Option<Found> {
    let path = path.strip_prefix('.').unwrap_or(path);
    tree.entries()
        .iter()
        .filter_map(|entry| {
            let rest = path.strip_prefix(entry.key.as_str())?;
            if !(rest.is_empty() || rest.starts_with(['.', '['])) {
                return None;
            }
            let below = walk(&entry.value, rest);
            let own = below.followed == 0;
            let at_key = !matches!(entry.value.data, Data::Scalar(_)) || entry.value.is_null();
            let place = if own && at_key { entry.place } else { below.place };
            Some(Found { place, followed: entry.key.len() + below.followed })
        })
        .max_by_key(|found| found.followed)
}

fn item(items: &[Yaml], path: &str) -> Option<Found> {
    let (index, rest) = path.strip_prefix('[')?.split_once(']')?;
    let below = walk(items.get(index.parse::<usize>().ok()?)?, rest);
    Some(Found { place: below.place, followed: index.len() + 2 + below.followed })
}
