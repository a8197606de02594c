//! What a command prints: to a terminal, in colours, or down a pipe, which may close.

use std::io::{self, IsTerminal, Write};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde::Serialize;

/// The columns of a page that goes nowhere in particular.
const COLUMNS: usize = 80;

/// No page is narrower, however small the window.
const COLUMNS_MIN: usize = 40;

/// Prints a text, without its colours where they are not wanted (not a terminal, `NO_COLOR`).
///
/// # Errors
/// Those of the output, a closed pipe among them.
pub fn print(text: &str) -> io::Result<()> {
    let mut out = anstream::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// Prints a value as scripts read it.
///
/// # Errors
/// See [`print`].
pub fn print_json(value: &impl Serialize) -> io::Result<()> {
    write_json(serde_json::to_string_pretty(value)?)
}

/// Prints a value on one line, for whoever reads a stream of them.
///
/// # Errors
/// See [`print`].
pub fn print_json_line(value: &impl Serialize) -> io::Result<()> {
    write_json(serde_json::to_string(value)?)
}

fn write_json(text: String) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{}", spelt(&text))?;
    out.flush()
}

/// JSON in which characters that a terminal obeys, or that nobody sees, are spelt as RFC 8259 allows
/// for any character in a string: the value is the same. Those below U+0020 are so already.
fn spelt(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        if c == '\u{7f}' || (!c.is_ascii() && c.escape_debug().len() > 1) {
            let units = c
                .encode_utf16(&mut [0; 2])
                .iter()
                .map(|unit| format!("\\u{unit:04x}"))
                .collect::<String>();
            text.push_str(&units);
        } else {
            text.push(c);
        }
    }
    text
}

/// Whether a person looks at it.
pub fn is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// The columns and rows that a page may fill; as many rows as it likes where nobody looks.
pub fn size() -> (usize, usize) {
    match rustix::termios::tcgetwinsize(io::stdout()) {
        Ok(size) if size.ws_col > 0 => {
            (usize::from(size.ws_col).max(COLUMNS_MIN), usize::from(size.ws_row).max(2))
        }
        _ => (COLUMNS, usize::MAX),
    }
}

/// Whether nobody can read any more what is printed.
pub fn is_closed() -> bool {
    let out = io::stdout();
    let mut fds = [PollFd::new(&out, PollFlags::empty())];
    poll(&mut fds, Some(&Timespec::default())).is_ok_and(|ready| ready > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_says_the_same_and_moves_no_terminal() {
        for value in [
            "red \u{9b}31m \u{7f}",
            "\u{202e}txt.exe",
            "Grüße, 日本 🎉",
            "\u{e0001}tag",
            "a\n\"b\"",
        ] {
            let json = spelt(&serde_json::to_string_pretty(&[value]).unwrap());
            assert!(!json.contains(|c: char| c.is_control() && c != '\n'), "{json:?}");
            assert!(!json.contains(['\u{202e}', '\u{e0001}']), "{json:?}");
            assert_eq!(serde_json::from_str::<Vec<String>>(&json).unwrap(), [value]);
        }
        assert_eq!(spelt("\"Grüße, 日本 🎉\""), "\"Grüße, 日本 🎉\"");
    }
}
