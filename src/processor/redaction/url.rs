//! `url_sanitizer`: what may be an id in the path of a URL becomes `*`, so that URLs of one route are one text and name
//! nobody. In doubt a part is an id.

/// What stands for an id.
const ID: &str = "*";
/// Longer parts are ids, whatever their letters.
const WORD_CHARS_MAX: usize = 30;
/// No English word has more consonants in a row; random letters soon do.
const CONSONANTS_MAX: usize = 5;

/// The URL or path without ids, query, fragment and user; `None` when it has none of these.
pub(super) fn sanitized(url: &str) -> Option<String> {
    let end = url.find(['?', '#']).unwrap_or(url.len());
    let (head, path) = split(&url[..end]);
    let mut out = String::with_capacity(url.len());
    match head.rfind('@') {
        Some(at) => {
            let scheme = head.find("://").map_or(0, |at| at + 3);
            out.push_str(&head[..scheme]);
            out.push_str(&head[at + 1..]);
        }
        None => out.push_str(head),
    }
    for (index, part) in path.split('/').enumerate() {
        if index > 0 {
            out.push('/');
        }
        out.push_str(if is_word(part) { part } else { ID });
    }
    (out != url).then_some(out)
}

/// The same for each word of a text that is a URL or a path.
pub(super) fn sanitized_words(text: &str) -> Option<String> {
    let is_url = |word: &str| word.starts_with('/') || word.contains("://");
    let words: Vec<(&str, Option<String>)> =
        text.split(' ').map(|word| (word, if is_url(word) { sanitized(word) } else { None })).collect();
    if words.iter().all(|(_, url)| url.is_none()) {
        return None;
    }
    let words: Vec<&str> = words.iter().map(|(word, url)| url.as_deref().unwrap_or(word)).collect();
    Some(words.join(" "))
}

/// Scheme and host, and the path with its first `/`.
fn split(url: &str) -> (&str, &str) {
    let Some(scheme) = url.find("://") else { return ("", url) };
    let host = scheme + 3;
    let path = url[host..].find('/').map_or(url.len(), |at| host + at);
    url.split_at(path)
}

fn is_word(part: &str) -> bool {
    if part.is_empty() || part == ID {
        return true;
    }
    // `v2`
    if let Some(version) = part.strip_prefix('v')
        && (1..=2).contains(&version.len())
        && version.bytes().all(|digit| digit.is_ascii_digit())
    {
        return true;
    }
    part.len() <= WORD_CHARS_MAX && part.split(['-', '_', '.']).all(is_plain)
}

/// Letters only, with vowels among them, and capitals only where a word begins.
fn is_plain(word: &str) -> bool {
    let (mut consonants, mut capitals) = (0, 0);
    for byte in word.bytes() {
        if !byte.is_ascii_alphabetic() {
            return false;
        }
        capitals += usize::from(byte.is_ascii_uppercase());
        let vowel = matches!(byte.to_ascii_lowercase(), b'a' | b'e' | b'i' | b'o' | b'u' | b'y');
        consonants = if vowel { 0 } else { consonants + 1 };
        if consonants > CONSONANTS_MAX {
            return false;
        }
    }
    // `getUser` is a word, `aGVsbG` is not; `API` is.
    capitals * 3 <= word.len() || capitals == word.len()
}

#[cfg(test)]
mod tests {
    use super::{sanitized, sanitized_words};

    fn url(text: &str) -> String {
        sanitized(text).unwrap_or_else(|| text.to_owned())
    }

    #[test]
    fn ids_go_and_words_stay() {
        assert_eq!(url("/api/v2/users/123/orders"), "/api/v2/users/*/orders");
        assert_eq!(url("https://x.example.com/users/a1b2-c3/getName"), "https://x.example.com/users/*/getName");
        assert_eq!(url("/f/0af7651916cd43dd8448eb211c80319c"), "/f/*");
        assert_eq!(url("/t/aGVsbGSxWkQ/xkcdqwrtz/bob@example.com/%41bc"), "/t/*/*/*/*");
        assert_eq!(url("users/123"), "users/*");
        for same in ["/", "", "/healthz", "/API/user_names/index.html", "https://example.com", "https://10.0.0.1:80/"] {
            assert_eq!(sanitized(same), None, "{same}");
        }
    }

    #[test]
    fn queries_fragments_and_users_are_cut_off() {
        assert_eq!(url("/search?q=secret&x=/1#y"), "/search");
        assert_eq!(url("https://example.com?token=x"), "https://example.com");
        assert_eq!(url("https://bob:pass@example.com/a#f"), "https://example.com/a");
    }

    #[test]
    fn only_urls_among_the_words_of_a_name_change() {
        assert_eq!(sanitized_words("GET /users/7?x=1").as_deref(), Some("GET /users/*"));
        assert_eq!(sanitized_words("read file 7/8"), None);
        assert_eq!(sanitized_words("GET /users"), None);
    }

    #[test]
    fn sanitizing_twice_is_sanitizing_once() {
        for text in ["/a/1/b?c", "https://u@h/1", "/x%20y/é"] {
            let once = url(text);
            assert_eq!(url(&once), once);
        }
    }
}
