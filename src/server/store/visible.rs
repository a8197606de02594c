//! Which records a reader gets to see: the visibility rule of contract C.6, the one place that says
//! it, for a record in hand and for a query.

use super::HeldSummary;
use crate::contract::VISIBLE_VARIANTS;

/// The summary that a record is shown by; none hides the record. Of several, the first in the
/// order of the contract.
pub fn shown(summaries: &[HeldSummary]) -> Option<&HeldSummary> {
    VISIBLE_VARIANTS
        .iter()
        .find_map(|name| summaries.iter().find(|s| s.variant == *name && s.html.is_some()))
}

/// The same as a condition on a row `c` of `content`. A store whose tables nobody else writes may
/// keep what it comes to.
pub(super) fn condition() -> String {
    let names = VISIBLE_VARIANTS.map(|name| format!("'{name}'")).join(", ");
    format!(
        "EXISTS (SELECT 1 FROM content_summaries s
                  WHERE s.video_id = c.video_id AND s.is_latest AND s.html IS NOT NULL
                    AND s.variant IN ({names}))"
    )
}
