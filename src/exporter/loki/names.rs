//! Names that Loki accepts for labels and structured metadata: `[a-zA-Z_][a-zA-Z0-9_]*`, each once.

use crate::exporter::shapes::comes_again;
use crate::otlp::model::Attribute;

/// A valid name: what is no letter, digit or underscore becomes `_`, and a digit does not come first.
pub(super) fn valid(name: &str) -> String {
    let mut valid: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    if valid.is_empty() || valid.starts_with(|c: char| c.is_ascii_digit()) {
        valid.insert_str(0, "key_");
    }
    valid
}

/// The name of a key among names that are taken: with `_2`, `_3` and so on behind it where it is, so that no value is lost.
pub(super) fn unique(key: &str, taken: &mut Vec<String>) -> String {
    let base = valid(key);
    let mut name = base.clone();
    let mut number = 2;
    while taken.contains(&name) {
        name = format!("{base}_{number}");
        number += 1;
    }
    taken.push(name.clone());
    name
}

/// The names of attributes, and those names among the taken ones.
pub(super) fn of_attributes(attributes: &[Attribute<'_>], taken: &mut Vec<String>) -> Vec<Option<String>> {
    let name = |at: usize| (!comes_again(attributes, at)).then(|| unique(attributes[at].key, taken));
    (0..attributes.len()).map(name).collect()
}

#[cfg(test)]
mod tests {
    use bumpalo::Bump;

    use super::*;
    use crate::otlp::model::Entity;
    use crate::otlp::schema;
    use crate::otlp::value::Value;

    #[test]
    fn every_key_becomes_a_name_that_loki_takes() {
        for (key, name) in [
            ("service.name", "service_name"),
            ("a-b/c", "a_b_c"),
            ("1st", "key_1st"),
            ("", "key_"),
            ("naïve", "na_ve"),
            ("_x", "_x"),
        ] {
            assert_eq!(valid(key), name);
        }
    }

    #[test]
    fn no_value_is_lost_to_another_with_the_same_name() {
        let arena = Bump::new();
        let mut record = Entity::open(&schema::LOG_RECORD, &[], &arena).unwrap();
        for key in ["a.b", "a_b", "a.b", "flags"] {
            record.push(key, Value::Int(1));
        }
        let found = of_attributes(record.attributes(), &mut vec!["flags".to_owned()]);
        let wanted = [None, Some("a_b"), Some("a_b_2"), Some("flags_2")];
        assert_eq!(found.iter().map(Option::as_deref).collect::<Vec<_>>(), wanted);
    }
}
