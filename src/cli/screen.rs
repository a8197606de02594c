//! A terminal that is drawn over again and again, and given back as it was.

use std::io::{self, Write};

use anstream::adapter::strip_str;
use anstream::{AutoStream, ColorChoice};

use super::output;

/// To the alternate screen, without the cursor (xterm's control sequences).
const ENTER: &str = "\x1b[?1049h\x1b[?25l";
const LEAVE: &str = "\x1b[?25h\x1b[?1049l";
/// To the first place; the rest of a line, and of the screen, is wiped.
const HOME: &str = "\x1b[H";
const WIPE_LINE: &str = "\x1b[K";
const WIPE_BELOW: &str = "\x1b[J";

/// The screen, while it is ours. Dropping it gives it back.
#[derive(Debug)]
pub struct Screen {
    coloured: bool,
    is_left: bool,
}

impl Screen {
    /// Takes the screen; there is none where the output is no terminal, or one that cannot do this.
    ///
    /// # Errors
    /// Those of the output.
    pub fn enter() -> io::Result<Option<Self>> {
        let is_dumb = std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
        if !output::is_terminal() || is_dumb {
            return Ok(None);
        }
        let coloured = AutoStream::choice(&io::stdout()) != ColorChoice::Never;
        write(ENTER)?;
        Ok(Some(Self { coloured, is_left: false }))
    }

    /// Shows a page from its top, as much of it as there is room for.
    ///
    /// # Errors
    /// Those of the output.
    pub fn draw(&mut self, page: &str) -> io::Result<()> {
        let page = if self.coloured { page.to_owned() } else { strip_str(page).to_string() };
        write(&frame(&page, output::size().1))
    }

    /// Gives it back.
    ///
    /// # Errors
    /// Those of the output.
    pub fn leave(mut self) -> io::Result<()> {
        self.is_left = true;
        write(LEAVE)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        if !self.is_left {
            // Nothing is left to be done about a terminal that is gone.
            let _gone = write(LEAVE);
        }
    }
}

/// What is written to show a page in so many rows.
fn frame(page: &str, rows: usize) -> String {
    let lines: Vec<&str> = page.lines().collect();
    let mut frame = HOME.to_owned();
    let kept = if lines.len() > rows { rows - 1 } else { lines.len() };
    for line in &lines[..kept] {
        frame.push_str(line);
        frame.push_str(WIPE_LINE);
        frame.push('\n');
    }
    if kept < lines.len() {
        frame.push_str(&format!("… and {} lines more", lines.len() - kept));
    } else {
        // No line break behind the last line, which would move all up.
        frame.pop();
    }
    frame + WIPE_BELOW
}

fn write(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_cut_to_the_rows_that_there_are() {
        assert_eq!(frame("a\nb\n", 2), "\x1b[Ha\x1b[K\nb\x1b[K\x1b[J");
        assert_eq!(frame("a\nb\nc\n", 2), "\x1b[Ha\x1b[K\n… and 2 lines more\x1b[J");
    }
}
