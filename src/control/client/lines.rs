//! Cuts what comes in pieces into lines.

/// A line that grows beyond this many bytes is none of ours.
pub const LINE_MAX: usize = 1 << 20;

/// See the module.
#[derive(Debug, Default)]
pub struct Lines {
    rest: Vec<u8>,
}

impl Lines {
    /// The lines that are complete now; nothing at all when one grows without an end.
    pub fn feed(&mut self, chunk: &[u8]) -> Option<Vec<String>> {
        self.rest.extend_from_slice(chunk);
        let end = self.rest.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let whole: Vec<u8> = self.rest.drain(..end).collect();
        (self.rest.len() <= LINE_MAX)
            .then(|| String::from_utf8_lossy(&whole).lines().map(str::to_owned).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_without_an_end_ends_the_stream() {
        let mut lines = Lines::default();
        assert!(lines.feed(&vec![b'x'; LINE_MAX]).is_some());
        assert!(lines.feed(b"x").is_none());
    }
}
