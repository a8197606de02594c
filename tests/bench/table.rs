//! One line of the table, and the table.

use std::fmt;

/// What is asked of a figure.
#[derive(Clone, Copy, Debug)]
pub enum Bound {
    AtMost(f64),
    AtLeast(f64),
}

impl Bound {
    fn holds(self, value: f64) -> bool {
        match self {
            Bound::AtMost(most) => value <= most,
            Bound::AtLeast(least) => value >= least,
        }
    }
}

struct Figure {
    what: String,
    must: String,
    measured: String,
    verdict: &'static str,
}

/// The figures so far.
#[derive(Default)]
pub struct Figures(Vec<Figure>);

impl Figures {
    /// Adds a figure: what it is of, what it must reach, in words and as a number, its value, and
    /// what it was made of.
    pub fn add(&mut self, what: &str, must: &str, bound: Bound, value: f64, of: &str) {
        let verdict = if bound.holds(value) { "yes" } else { "**no**" };
        let measured = format!("{} ({of})", plain(value));
        eprintln!("   {what}: {measured}; must be {must}: {verdict}");
        let (what, must) = (what.to_owned(), must.to_owned());
        self.0.push(Figure { what, must, measured, verdict });
    }

    /// Adds a figure that nothing is asked of: it explains another.
    pub fn tell(&mut self, what: &str, value: f64, of: &str) {
        let measured = format!("{} ({of})", plain(value));
        eprintln!("   {what}: {measured}");
        let (what, must) = (what.to_owned(), String::new());
        self.0.push(Figure { what, must, measured, verdict: "" });
    }

    /// Says aloud that a figure is left out.
    pub fn skip(&mut self, what: &str, why: &str) {
        eprintln!("SKIPPED {what}: {why}");
        let (what, measured) = (what.to_owned(), why.to_owned());
        self.0.push(Figure { what, must: String::new(), measured, verdict: "SKIPPED" });
    }
}

/// A number with as many digits as mean something.
fn plain(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 0.1 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| figure | must be | measured | reached |\n|---|---|---|---|")?;
        for Figure { what, must, measured, verdict } in &self.0 {
            writeln!(f, "| {what} | {must} | {measured} | {verdict} |")?;
        }
        Ok(())
    }
}
