//! Plain text as HTML, for summaries that bring none (contract H.1.5).

use std::borrow::Cow;

/// Blocks between blank lines become paragraphs, single line ends become breaks, and nothing in
/// the text can act as markup.
pub fn from_text(text: &str) -> String {
    let mut html = String::with_capacity(text.len() + text.len() / 8);
    let mut open = false;
    for line in text.lines() {
        if line.trim().is_empty() {
            if open {
                html.push_str("</p>\n");
            }
            open = false;
        } else {
            html.push_str(if open { "<br>\n" } else { "<p>" });
            html.push_str(&escape(line));
            open = true;
        }
    }
    if open {
        html.push_str("</p>");
    }
    html.truncate(html.trim_end().len());
    html
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
        }
    }

    #[test]
    fn markup_in_the_text_is_only_text() {
        assert_eq!(
            from_text("<b a=\"1\" c='2'> & </b>"),
            "<p>&lt;b a=&quot;1&quot; c=&#x27;2&#x27;&gt; &amp; &lt;/b&gt;</p>",
        );
    }
}
