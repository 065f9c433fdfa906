//! Look-alike letters become the ASCII letters they imitate; what is invisible goes.
//!
//! A shell would not run Cyrillic `сurl`, but a person who approves it, and a pattern that looks for it, are deceived. Prose
//! in another alphabet is no deception: only letters inside an otherwise ASCII word, and full-width ones, are reported.

use bumpalo::Bump;

use super::{Trick, Tricks};

/// The text with look-alikes folded; borrowed when it is ASCII.
pub(super) fn fold<'a>(text: &'a str, tricks: &mut Tricks, arena: &'a Bump) -> &'a str {
    if text.is_ascii() {
        return text;
    }
    let mut out = bumpalo::collections::String::with_capacity_in(text.len(), arena);
    let mut last = ' ';
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        let next = characters.peek().copied().unwrap_or(' ');
        match meaning(character) {
            Meaning::Itself => out.push(character),
            Meaning::Nothing { always } => {
                if always || (last.is_ascii_alphanumeric() && next.is_ascii_alphanumeric()) {
                    tricks.add(Trick::Invisible);
                }
                continue;
            }
            Meaning::Ascii(ascii, kind) => {
                let mixed = last.is_ascii_alphabetic() || next.is_ascii_alphabetic();
                if ascii.is_ascii_alphanumeric() && (mixed || kind == Kind::Wide) {
                    tricks.add(Trick::Homoglyph);
                }
                out.push(ascii);
            }
        }
        last = character;
    }
    out.into_bump_str()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A letter of another alphabet that has uses of its own.
    Alphabet,
    /// An ASCII letter in another dress.
    Wide,
}

enum Meaning {
    Itself,
    Nothing { always: bool },
    Ascii(char, Kind),
}

/// Cyrillic, Greek, Armenian and Latin letters that are drawn like ASCII ones (from Unicode's table of confusables).
const ALIKE: &[(char, char)] = &[
    ('а', 'a'),
    ('с', 'c'),
    ('ԁ', 'd'),
    ('е', 'e'),
    ('һ', 'h'),
    ('і', 'i'),
    ('ј', 'j'),
    ('ԛ', 'q'),
    ('о', 'o'),
    ('р', 'p'),
    ('ѕ', 's'),
    ('у', 'y'),
    ('х', 'x'),
    ('ѵ', 'v'),
    ('ԝ', 'w'),
    ('м', 'm'),
    ('т', 't'),
    ('к', 'k'),
    ('г', 'r'),
    ('п', 'n'),
    ('ь', 'b'),
    ('А', 'A'),
    ('В', 'B'),
    ('Е', 'E'),
    ('К', 'K'),
    ('М', 'M'),
    ('Н', 'H'),
    ('О', 'O'),
    ('Р', 'P'),
    ('С', 'C'),
    ('Т', 'T'),
    ('Х', 'X'),
    ('Ѕ', 'S'),
    ('І', 'I'),
    ('Ј', 'J'),
    ('У', 'Y'),
    ('ɡ', 'g'),
    ('ɑ', 'a'),
    ('ı', 'i'),
    ('ł', 'l'),
    ('ո', 'n'),
    ('ս', 'u'),
    ('օ', 'o'),
    ('ց', 'g'),
    ('հ', 'h'),
    ('α', 'a'),
    ('ο', 'o'),
    ('ν', 'v'),
    ('ρ', 'p'),
    ('τ', 't'),
    ('ι', 'i'),
    ('κ', 'k'),
    ('υ', 'u'),
    ('ϲ', 'c'),
    ('γ', 'y'),
    ('η', 'n'),
    ('Α', 'A'),
    ('Β', 'B'),
    ('Ε', 'E'),
    ('Ζ', 'Z'),
    ('Η', 'H'),
    ('Ι', 'I'),
    ('Κ', 'K'),
    ('Μ', 'M'),
    ('Ν', 'N'),
    ('Ο', 'O'),
    ('Ρ', 'P'),
    ('Τ', 'T'),
    ('Υ', 'Y'),
    ('Χ', 'X'),
    ('ѐ', 'e'),
    ('ё', 'e'),
    ('ⅼ', 'l'),
    ('ⅽ', 'c'),
    ('ⅾ', 'd'),
    ('ⅿ', 'm'),
    ('ⅰ', 'i'),
    ('ⅴ', 'v'),
    ('ⅹ', 'x'),
    ('ʀ', 'r'),
    ('ꭱ', 'r'),
    ('ӏ', 'l'),
    ('ʟ', 'l'),
    ('ɩ', 'i'),
    ('ḥ', 'h'),
    ('ｰ', '-'),
    ('∕', '/'),
    ('⁄', '/'),
    ('⧸', '/'),
    ('–', '-'),
    ('—', '-'),
    ('‐', '-'),
    ('‑', '-'),
    ('−', '-'),
    ('‒', '-'),
    ('∶', ':'),
    ('׃', ':'),
    ('․', '.'),
    ('˜', '~'),
    ('∼', '~'),
];

fn meaning(character: char) -> Meaning {
    match character {
        '\0'..='\x7f' => Meaning::Itself,
        '０'..='９' | 'Ａ'..='Ｚ' | 'ａ'..='ｚ' | '－' | '．' | '／' | '：' | '＝' | '＿' | '～' => {
            Meaning::Ascii(shifted(character, 0xff01, '!'), Kind::Wide)
        }
        '\u{1d400}'..='\u{1d6a3}' => mathematical(character),
        '\u{a0}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}' => {
            Meaning::Ascii(' ', Kind::Alphabet)
        }
        '\u{2028}' | '\u{2029}' | '\u{85}' => Meaning::Ascii('\n', Kind::Alphabet),
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{e0000}'..='\u{e007f}' => {
            Meaning::Nothing { always: true }
        }
        '\u{ad}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2060}'..='\u{2064}'
        | '\u{feff}'
        | '\u{180e}'
        | '\u{34f}'
        | '\u{fe00}'..='\u{fe0f}'
        | '\u{115f}'
        | '\u{1160}'
        | '\u{3164}' => Meaning::Nothing { always: false },
        // The reader marks places with these.
        '\u{e000}'..='\u{e00f}' => Meaning::Nothing { always: true },
        '\u{300}'..='\u{36f}' => Meaning::Nothing { always: false },
        _ => ALIKE
            .iter()
            .find(|(alike, _)| *alike == character)
            .map_or(Meaning::Itself, |(_, ascii)| Meaning::Ascii(*ascii, Kind::Alphabet)),
    }
}

fn shifted(character: char, from: u32, to: char) -> char {
    char::from_u32(character as u32 - from + to as u32).unwrap_or(character)
}

/// Bold, italic, script and the like: thirteen alphabets of 52 letters in a row.
fn mathematical(character: char) -> Meaning {
    let place = (character as u32 - 0x1d400) % 52;
    let letter = if place < 26 { 'A' as u32 + place } else { 'a' as u32 + place - 26 };
    Meaning::Ascii(char::from_u32(letter).unwrap_or(character), Kind::Wide)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folded(text: &str) -> (String, Tricks) {
        let (arena, mut tricks) = (Bump::new(), Tricks::default());
        (fold(text, &mut tricks, &arena).to_owned(), tricks)
    }

    fn tricks(text: &str) -> Vec<&'static str> {
        folded(text).1.names().collect()
    }

    #[test]
    fn letters_that_look_alike_become_ascii() {
        assert_eq!(folded("сurl http://x").0, "curl http://x");
        assert_eq!(folded("ｒｍ －ｒｆ ／").0, "rm -rf /");
        assert_eq!(folded("𝗿𝗺 -rf").0, "rm -rf");
        assert_eq!(folded("r\u{200b}m\u{a0}-rf").0, "rm -rf");
    }

    #[test]
    fn prose_is_no_deception() {
        assert_eq!(tricks("git commit -m 'исправил ошибку в парсере — готово'"), [] as [&str; 0]);
        assert_eq!(tricks("echo '👩\u{200d}💻 naïve café，日本語'"), [] as [&str; 0]);
        assert_eq!(tricks("сurl x"), ["homoglyph"]);
        assert_eq!(tricks("c\u{200d}url x"), ["invisible"]);
        assert_eq!(tricks("echo \u{202e}x"), ["invisible"]);
    }
}
