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

/// As it is: what looks like a colour in it belongs to the value.
fn write_json(mut text: String) -> io::Result<()> {
    text.push('\n');
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
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
