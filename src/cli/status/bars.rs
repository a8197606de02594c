//! Small pictures of numbers, drawn with block characters.

/// From nothing to the most.
const HEIGHTS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Eighths of a block, from its left.
const EIGHTHS: [char; 7] = ['▏', '▎', '▍', '▌', '▋', '▊', '▉'];

/// A bar for each of the last values, as many as there are columns. The lowest is for nothing at
/// all, so that one delivery shows beside a thousand.
pub fn line_of_bars(values: &[u64], columns: usize) -> String {
    let values = &values[values.len().saturating_sub(columns)..];
    let most = values.iter().copied().max().unwrap_or(0);
    let bar = |value: u64| match value {
        0 => HEIGHTS[0],
        _ => HEIGHTS[((value as f64 / most as f64 * 7.0).round() as usize).max(1)],
    };
    values.iter().map(|value| bar(*value)).collect()
}

/// A bar that is filled from the left; whole only when all is done.
pub fn progress(done: u64, total: u64, columns: usize) -> String {
    let share = if total == 0 { 1.0 } else { done.min(total) as f64 / total as f64 };
    let eighths = (share * (columns * 8) as f64) as usize;
    let mut bar = "█".repeat(eighths / 8);
    let mut used = eighths / 8;
    if let Some(part) = (eighths % 8).checked_sub(1) {
        bar.push(EIGHTHS[part]);
        used += 1;
    }
    bar + &"·".repeat(columns - used)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_is_the_highest_and_only_nothing_is_the_lowest() {
        assert_eq!(line_of_bars(&[0, 1, 50, 100], 9), "▁▂▅█");
        assert_eq!(line_of_bars(&[0, 0], 9), "▁▁");
        assert_eq!(line_of_bars(&[1, 1], 9), "██");
        assert_eq!(line_of_bars(&[9, 9, 0, 7, 8], 2), "▇█");
        assert_eq!(line_of_bars(&[u64::MAX, 0], 2), "█▁");
        assert_eq!(line_of_bars(&[], 9), "");
    }

    #[test]
    fn progress_fills_all_columns_and_none_too_many() {
        for (done, total, bar) in [
            (0, 100, "····"),
            (50, 100, "██··"),
            (53, 100, "██··"),
            (54, 100, "██▏·"),
            (99, 100, "███▉"),
            (100, 100, "████"),
            (120, 100, "████"),
            (0, 0, "████"),
        ] {
            assert_eq!(progress(done, total, 4), bar, "{done} of {total}");
        }
    }
}
