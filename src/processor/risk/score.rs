//! From the rules that fired to a score and a level.
//!
//! Each rule leaves a part of the doubt, the parts multiply: `100 * (1 - product(1 - base/100))`. The bases are those of
//! widely used detection rules (low 21, medium 47, high 73). Circumstances add their points afterwards. The order of the
//! rules does not matter: equal levels are counted and the counts go in from worst to least.

use super::context::{Circumstance, Context};
use super::event::{Event, Hits, Level, RuleInfo};

/// What one rule of a level adds to the score.
#[must_use]
pub const fn base(level: Level) -> f64 {
    match level {
        Level::Info => 5.0,
        Level::Low => 21.0,
        Level::Medium => 47.0,
        Level::High => 73.0,
        Level::Critical => 95.0,
    }
}

/// The level of a score: one rule alone has its own level.
#[must_use]
pub const fn level(score: i64) -> Level {
    match score {
        ..21 => Level::Info,
        21..47 => Level::Low,
        47..73 => Level::Medium,
        73..90 => Level::High,
        90.. => Level::Critical,
    }
}

/// The score of rules of these levels under these circumstances; 0 to 100, and at least 1 when a rule fired.
#[must_use]
pub fn score(levels: impl Iterator<Item = Level>, circumstances: impl Iterator<Item = Circumstance>) -> i64 {
    let mut counts = [0_i32; Level::ALL.len()];
    levels.for_each(|level| counts[level as usize] += 1);
    if counts.iter().all(|count| *count == 0) {
        return 0;
    }
    let doubt: f64 = Level::ALL
        .into_iter()
        .zip(counts)
        .rev()
        .map(|(level, count)| (1.0 - base(level) / 100.0).powi(count))
        .product();
    #[expect(clippy::cast_possible_truncation, reason = "between 0 and 100")]
    let score = (100.0 * (1.0 - doubt)).round() as i64;
    let points: i64 = circumstances.map(|(_, points)| i64::from(points)).sum();
    (score + points).clamp(1, 100)
}

/// Score and level of the rules that fired.
pub(super) fn verdict(rules: &[RuleInfo], hits: &Hits, context: &Context, event: &Event<'_>) -> (i64, Level) {
    if hits.is_empty() {
        return (0, Level::Info);
    }
    let levels = hits.iter().filter_map(|place| rules.get(place)).map(|rule| rule.level);
    let score = score(levels, context.circumstances(event));
    (score, level(score))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(levels: &[Level]) -> i64 {
        score(levels.iter().copied(), std::iter::empty())
    }

    #[test]
    fn one_rule_alone_has_its_own_level() {
        for known in Level::ALL {
            assert_eq!(level(of(&[known])), known);
        }
        assert_eq!((of(&[]), level(0)), (0, Level::Info));
    }

    #[test]
    fn more_rules_never_lower_the_score_and_100_is_the_most() {
        let mut levels = vec![];
        let mut last = 0;
        for known in Level::ALL.into_iter().cycle().take(20) {
            levels.push(known);
            let now = of(&levels);
            assert!(last <= now && now <= 100);
            last = now;
        }
    }

    #[test]
    fn the_order_does_not_matter() {
        let mut levels = vec![Level::Low, Level::High, Level::Info, Level::Medium, Level::Low];
        let forward = of(&levels);
        levels.reverse();
        assert_eq!(of(&levels), forward);
        assert_eq!(level(of(&[Level::High, Level::High])), Level::Critical);
    }

    #[test]
    fn circumstances_add_points_but_never_hide_that_a_rule_fired() {
        let with = |points| score([Level::Info].into_iter(), [("failed", points)].into_iter());
        assert_eq!((with(15), with(-10), with(100)), (20, 1, 100));
        assert_eq!(score(std::iter::empty(), [("production", 15)].into_iter()), 0);
    }
}
