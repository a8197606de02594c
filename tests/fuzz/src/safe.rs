//! What may be shown to a person, whatever it was made from.

/// Panics where a terminal would be told to do something, or a line would not be one.
pub fn is_safe(text: &str) {
    let is_bad = |c: char| {
        c.is_control()
            || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' | '\u{2028}' | '\u{2029}')
    };
    assert!(!text.contains(is_bad), "{text:?}");
}
