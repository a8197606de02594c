//! Which lines of the log are written: a level, and others for parts of the program, such as
//! `info, ytv2d::drain=debug`.

use tracing_subscriber::filter::{LevelFilter, ParseError, Targets};

/// Reads a filter. Blanks beside a comma mean nothing, and nor do commas too many.
///
/// # Errors
/// What is wrong with it, in words.
pub fn parse(text: &str) -> Result<Targets, String> {
    let parts: Vec<_> = text.split(',').map(str::trim).filter(|part| !part.is_empty()).collect();
    // It would be taken for the name of a part that nothing has, and the log fall silent.
    if let Some(part) = parts.iter().find(|part| part.contains(char::is_whitespace)) {
        return Err(format!(
            "{part:?} has a blank in it: write it as in \"info,ytv2d::drain=debug\""
        ));
    }
    parts.join(",").parse().map_err(|error: ParseError| error.to_string())
}

/// What is written where nobody asks for anything else.
pub fn info() -> Targets {
    Targets::new().with_default(LevelFilter::INFO)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing::Level;

    #[test]
    fn blanks_beside_commas_and_commas_too_many_mean_nothing() {
        for text in
            ["info,ytv2d::drain=debug", " ytv2d::drain=debug , info, ", ",info,ytv2d::drain=debug"]
        {
            let filter = parse(text).unwrap();
            assert!(filter.would_enable("ytv2d::drain", &Level::DEBUG), "{text}");
            assert!(filter.would_enable("hyper", &Level::INFO), "{text}");
            assert!(!filter.would_enable("hyper", &Level::DEBUG), "{text}");
        }
        for wrong in ["ytv2d=loud", "info ytv2d=debug", "ytv2d = debug"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
        assert!(!info().would_enable("ytv2d", &Level::DEBUG));
    }
}
