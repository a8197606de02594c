//! Plain text as HTML, for summaries that bring none (contract H.1.5).

use std::borrow::Cow;

/// Blocks between blank lines become paragraphs, single line ends become breaks, and nothing in
/// the text can act as markup.
pub fn from_text(text: &str) -> String {
    from_text_within(text, usize::MAX).expect("it is shorter than that")
}

/// The same if it takes no more bytes than that: what has to be escaped grows up to six times.
pub fn from_text_within(text: &str, bytes: usize) -> Option<String> {
    let mut html = String::with_capacity(text.len().min(bytes));
    let mut open = false;
    for line in text.lines() {
        if html.len() > bytes {
            return None;
        }
        if line.trim().is_empty() {
            if open {
                html.push_str("</p>\n");
            }
            open = false;
        } else {
            html.push_str(if open { "<br>\n" } else { "<p>" });
            for piece in pieces(line) {
                html.push_str(&escape(piece));
                if html.len() > bytes {
                    return None;
                }
            }
            open = true;
        }
    }
    if open {
        html.push_str("</p>");
    }
    html.truncate(html.trim_end().len());
    (html.len() <= bytes).then_some(html)
}

/// A line in pieces of some kilobytes.
fn pieces(mut line: &str) -> impl Iterator<Item = &str> {
    const PIECE: usize = 64 << 10;
    std::iter::from_fn(move || {
        let (piece, rest) = line.split_at(line.floor_char_boundary(PIECE));
        line = rest;
        (!piece.is_empty()).then_some(piece)
    })
}

/// The function for attributes is the one that escapes exactly `& < > " '`.
fn escape(text: &str) -> Cow<'_, str> {
    html_escape::encode_quoted_attribute(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_become_paragraphs_and_line_ends_breaks() {
        for (text, html) in [
            ("one", "<p>one</p>"),
            ("one\ntwo", "<p>one<br>\ntwo</p>"),
            ("one\n\ntwo", "<p>one</p>\n<p>two</p>"),
            ("\n\none\r\ntwo\r\n \t\r\n\nthree\n\n", "<p>one<br>\ntwo</p>\n<p>three</p>"),
            ("• a\n  - b", "<p>• a<br>\n  - b</p>"),
            ("", ""),
        ] {
            assert_eq!(from_text(text), html, "{text:?}");
            assert_eq!(from_text_within(text, html.len()).as_deref(), Some(html));
            assert_eq!(
                from_text_within(text, html.len().wrapping_sub(1)),
                None.or((html.is_empty()).then(String::new))
            );
        }
    }

    #[test]
    fn a_long_line_is_made_in_pieces_and_given_up_when_it_is_too_long() {
        let line = "é'".repeat(100_000);
        assert_eq!(from_text(&line), format!("<p>{}</p>", "é&#x27;".repeat(100_000)));
        assert_eq!(from_text_within(&line, 1000), None);
        assert_eq!(from_text_within(&"a\n".repeat(100_000), 1000), None);
    }

    #[test]
    fn markup_in_the_text_is_only_text() {
        assert_eq!(
            from_text("<b a=\"1\" c='2'> & </b>"),
            "<p>&lt;b a=&quot;1&quot; c=&#x27;2&#x27;&gt; &amp; &lt;/b&gt;</p>",
        );
    }
}
