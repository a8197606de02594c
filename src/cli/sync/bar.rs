//! How far a sync has come: a line that is drawn over on a terminal, lines now and then elsewhere.

use std::io::{self, IsTerminal, Write, stderr};
use std::time::{Duration, Instant};

use crate::cli::amount::{grouped, seconds};

/// The cells of the bar.
const WIDTH: usize = 24;
/// Between two lines where nothing can be drawn over.
const REST: Duration = Duration::from_secs(5);

/// See the module. It goes to the error stream, so that the outcome stands alone.
pub struct Bar {
    total: usize,
    start: Instant,
    drawn: bool,
    said: Option<Instant>,
}

impl Bar {
    pub fn new(total: usize) -> Self {
        Self { total, start: Instant::now(), drawn: false, said: None }
    }

    /// Shows that so many are left.
    pub fn show(&mut self, left: usize) -> io::Result<()> {
        self.total = self.total.max(left);
        if self.total == 0 {
            return Ok(());
        }
        let line = line(self.total, left, self.start.elapsed());
        if stderr().is_terminal() {
            self.drawn = true;
            // In one piece: the stream keeps nothing back, and half a line would be seen.
            return stderr().write_all(format!("\r{line}\x1b[K").as_bytes());
        }
        if left > 0 && self.said.is_none_or(|said| said.elapsed() >= REST) {
            self.said = Some(Instant::now());
            writeln!(stderr(), "{line}")?;
        }
        Ok(())
    }

    /// Leaves the line.
    pub fn end(&mut self) -> io::Result<()> {
        if self.drawn { writeln!(stderr()) } else { Ok(()) }
    }
}

fn line(total: usize, left: usize, elapsed: Duration) -> String {
    let done = total - left.min(total);
    let filled = done * WIDTH / total.max(1);
    let mut line = format!(
        "[{}{}] {} of {}",
        "#".repeat(filled),
        ".".repeat(WIDTH - filled),
        grouped(done),
        grouped(total)
    );
    let rate = done as f64 / elapsed.as_secs_f64().max(0.001);
    if done > 0 && left > 0 && elapsed >= Duration::from_secs(1) {
        let to_go = (left as f64 / rate).ceil();
        line.push_str(&format!(", {rate:.1} a second, {} left", seconds(to_go as i64)));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_the_count_the_rate_and_the_time_left() {
        let after = Duration::from_secs(10);
        assert_eq!(
            line(1200, 600, after),
            "[############............] 600 of 1,200, 60.0 a second, 10 s left"
        );
        assert_eq!(line(2, 0, after), "[########################] 2 of 2");
        assert_eq!(line(2, 2, after), "[........................] 0 of 2");
    }
}
