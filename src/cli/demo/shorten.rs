//! Text made to fit: on one line, and no wider than there is room.

const ELLIPSIS: char = '…';

/// The text on one line, cut at the end. White space and what a terminal would act on become single spaces.
pub(super) fn end(text: &str, width: usize) -> String {
    let line = one_line(text);
    if line.chars().count() <= width {
        return line;
    }
    let mut short: String = line.chars().take(width.saturating_sub(1)).collect();
    short.truncate(short.trim_end().len());
    short.push(ELLIPSIS);
    short
}

/// The text on one line, with its middle taken out.
pub(super) fn middle(text: &str, width: usize) -> String {
    let line = one_line(text);
    let len = line.chars().count();
    if len <= width {
        return line;
    }
    let kept = width.saturating_sub(1);
    let (head, tail) = (kept - kept / 2, kept / 2);
    let mut short: String = line.chars().take(head).collect();
    short.push(ELLIPSIS);
    short.extend(line.chars().skip(len - tail));
    short
}

fn one_line(text: &str) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_stays_and_what_does_not_is_cut_at_the_end() {
        assert_eq!(end("rm -rf /", 8), "rm -rf /");
        assert_eq!(end("rm -rf /x", 8), "rm -rf…");
        assert_eq!(end("größer als", 5), "größ…");
        assert_eq!(end("x", 0), "…");
    }

    #[test]
    fn lines_become_one_and_escapes_do_not_reach_the_terminal() {
        assert_eq!(end("a\n  b\t\x1b[2Jc", 20), "a b [2Jc");
    }

    #[test]
    fn the_middle_goes_when_both_ends_matter() {
        assert_eq!(middle("abcdefghij", 10), "abcdefghij");
        assert_eq!(middle("abcdefghij", 7), "abc…hij");
        assert_eq!(middle("abcdefghij", 6), "abc…ij");
        assert_eq!(middle("äöüäöü", 3), "ä…ü");
    }
}
