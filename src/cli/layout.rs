//! Fits foreign text into the columns of a terminal.

use anstyle::{AnsiColor, Style};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::file::Printable;

/// All is well.
pub const GOOD: Style = AnsiColor::Green.on_default().bold();
/// It goes on by itself, and should be known.
pub const NOTED: Style = AnsiColor::Yellow.on_default();
/// A person is needed.
pub const BAD: Style = AnsiColor::Red.on_default().bold();
pub const HEADING: Style = Style::new().bold();
/// Of less interest than what stands beside it.
pub const ASIDE: Style = Style::new().dimmed();
/// As it is.
pub const PLAIN: Style = Style::new();

/// A text in a style.
pub fn styled(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}

/// A page of so many columns, built line by line.
#[derive(Debug)]
pub struct Page {
    pub width: usize,
    text: String,
}

impl Page {
    pub fn new(width: usize) -> Self {
        Self { width, text: String::new() }
    }

    /// The whole page.
    pub fn finish(self) -> String {
        self.text
    }

    /// A blank line.
    pub fn gap(&mut self) {
        self.text.push('\n');
    }

    /// A line that surely fits.
    pub fn line(&mut self, line: &str) {
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }

    /// A text behind a first word, broken where it is too long; its further lines begin in the
    /// column where the first one began.
    pub fn text(&mut self, first: &str, style: Style, text: &str) {
        let indent = first.width();
        for (at, piece) in wrapped(text, self.width.saturating_sub(indent)).iter().enumerate() {
            let before = if at == 0 { first.to_owned() } else { " ".repeat(indent) };
            self.line(&format!("{before}{}", styled(style, piece)));
        }
    }

    /// A text that begins with a word in a style.
    pub fn headline(&mut self, style: Style, word: &str, text: &str) {
        let pieces = wrapped(&format!("{word}{text}"), self.width);
        for (at, piece) in pieces.iter().enumerate() {
            match piece.strip_prefix(word).filter(|_| at == 0) {
                Some(rest) => self.line(&format!("{}{rest}", styled(style, word))),
                None => self.line(piece),
            }
        }
    }

    /// A path, or an address, behind words that take so many columns already.
    pub fn path_after(&mut self, before: &str, columns: usize, path: &str) {
        let path = shortened(path, self.width.saturating_sub(columns + 2));
        self.line(&format!("{before}  {path}"));
    }

    /// A path, shortened in its middle where it is too long.
    pub fn path(&mut self, first: &str, style: Style, path: &str) {
        let path = shortened(path, self.width.saturating_sub(first.width()));
        self.line(&format!("{first}{}", styled(style, &path)));
    }
}

/// Without anything that could disturb a terminal. What was cleaned before stays as it is.
pub fn clean(text: &str) -> String {
    Printable(text.as_bytes()).to_string()
}

/// The text in at most so many columns: what goes is its middle, since a path says most at its two
/// ends.
pub fn shortened(text: &str, columns: usize) -> String {
    let text = clean(text);
    if text.width() <= columns {
        return text;
    }
    let kept = columns.saturating_sub(1);
    let head: String = taken(text.chars(), kept / 2).collect();
    let mut tail: Vec<char> = taken(text.chars().rev(), kept - head.width()).collect();
    tail.reverse();
    head + "…" + &tail.into_iter().collect::<String>()
}

/// As many characters as fit.
fn taken(chars: impl Iterator<Item = char>, columns: usize) -> impl Iterator<Item = char> {
    chars.scan(0, move |width, c| {
        *width += c.width().unwrap_or(0);
        (*width <= columns).then_some(c)
    })
}

/// The text in lines of at most so many columns, broken between words where that is possible, and
/// not within a command where that is possible.
pub fn wrapped(text: &str, columns: usize) -> Vec<String> {
    let columns = columns.max(8);
    let text = clean(text);
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in words(&text, columns) {
        if !line.is_empty() {
            if line.width() + 1 + word.width() <= columns {
                line.push(' ');
            } else {
                lines.push(std::mem::take(&mut line));
            }
        }
        let mut rest = word;
        while rest.width() > columns {
            let head: String = taken(rest.chars(), columns).collect();
            rest = &rest[head.len()..];
            lines.push(head);
        }
        line.push_str(rest);
    }
    lines.push(line);
    lines
}

/// The words of a text. A command of ours, up to the end of its clause, counts as one where it fits
/// on a line: it is there to be copied.
fn words(text: &str, columns: usize) -> Vec<&str> {
    let mut words = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let clause = rest.find([';', ',', '(', ')']).map_or(rest.len(), |at| at + 1);
        let is_command = rest.starts_with("ytv2d ") && rest[..clause].width() <= columns;
        let end = if is_command { clause } else { rest.find(' ').unwrap_or(rest.len()) };
        words.push(rest[..end].trim_end());
        rest = rest[end..].trim_start();
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_path_loses_its_middle_and_nothing_of_its_ends() {
        assert_eq!(shortened("/volume1/reports", 16), "/volume1/reports");
        assert_eq!(shortened("/volume1/reports", 15), "/volume…reports");
        assert_eq!(shortened("/videos/文文文文文文", 12), "/vide…文文文");
        assert_eq!(shortened("a\u{1b}[31mb", 40), "a\\u{1b}[31mb");
        for columns in 1..30 {
            assert!(shortened("/ünïcode/文文文/a-long-name.json", columns).width() <= columns);
        }
    }

    #[test]
    fn words_are_kept_whole_where_they_fit() {
        assert_eq!(wrapped("one two three four", 9), ["one two", "three", "four"]);
        assert_eq!(wrapped("a waytoolongword b", 8), ["a", "waytoolo", "ngword b"]);
        assert_eq!(wrapped("", 9), [""]);
        assert_eq!(wrapped("a\nb", 9), ["a\\nb"]);
        let text = "mend it; then: ytv2d retry x, and wait";
        assert_eq!(wrapped(text, 20), ["mend it; then:", "ytv2d retry x, and", "wait"]);
        assert_eq!(wrapped("do: ytv2d retry x", 9), ["do: ytv2d", "retry x"]);
    }

    #[test]
    fn further_lines_stand_below_the_first() {
        let mut page = Page::new(12);
        page.text("  ! ", PLAIN, "one two three");
        page.path("  ", PLAIN, "/a/very/long/path");
        assert_eq!(page.finish(), "  ! one two\n    three\n  /a/v…/path\n");
    }
}
