//! What is measured, and how long: the words behind `cargo bench --`.

use std::process::exit;

const USAGE: &str = "\
cargo bench --no-default-features [-- [ROW...] [--full] [--parallel N]]

ROW           one of: {rows}; all of them without
--full        every size, a million files among them: five minutes more, and 6 GB of disk in $TMPDIR
--parallel N  how many requests may be under way at once when draining (4, which is the daemon's
              default, and then 16)";

pub struct Options {
    rows: Vec<String>,
    pub full: bool,
    pub parallel: Vec<usize>,
}

impl Options {
    /// Ends the program when they are not understood.
    pub fn from_command_line(known: &[&str]) -> Self {
        let usage = USAGE.replace("{rows}", &known.join(", "));
        let mut options = Self { rows: Vec::new(), full: false, parallel: vec![4, 16] };
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            match word.as_str() {
                // Cargo's own.
                "--bench" => {}
                "--full" => options.full = true,
                "--parallel" => {
                    let number = words.next().and_then(|word| word.parse().ok());
                    options.parallel = vec![number.unwrap_or_else(|| refuse(&usage))];
                }
                row if known.contains(&row) => options.rows.push(word),
                _ => refuse(&usage),
            }
        }
        options
    }

    pub fn wants(&self, row: &str) -> bool {
        self.rows.is_empty() || self.rows.iter().any(|name| name == row)
    }
}

fn refuse(usage: &str) -> ! {
    eprintln!("{usage}");
    exit(2)
}
