//! Reads the whole listing of a target. Its pages shift while records come and go (contract E.1), so
//! it is no proof that something is absent: only of what is shown, and of what nobody here knows.

use std::collections::HashMap;

use super::ask::gently;
use crate::contract::ListingAnswer;
use crate::proof::Shown;
use crate::target::{Target, Unread};

/// Every record that was seen, by its key.
pub type Listing = HashMap<String, Shown>;

/// Reads all pages, and once more if they shifted. `progress` is told how many records of how many
/// were seen.
///
/// # Errors
/// [`Unread::Absent`] where there is no listing at all.
pub async fn read(
    target: &Target,
    mut progress: impl FnMut(usize, usize),
) -> Result<Listing, Unread> {
    let mut pages = Pages::default();
    for _ in 0..2 {
        pages.begin();
        while let Some(page) = pages.next {
            let answer = gently(|| target.listing(page)).await?;
            pages.take(&answer);
            progress(pages.seen.len(), answer.pagination.total);
        }
        if !pages.have_shifted() {
            break;
        }
    }
    Ok(pages.seen)
}

/// What was read so far.
#[derive(Debug, Default)]
struct Pages {
    seen: Listing,
    /// The page to ask for.
    next: Option<usize>,
    /// What the first page of this reading said how many there are.
    total: Option<usize>,
    /// Another page said something else.
    shifted: bool,
    /// The keys of the page before.
    last: Vec<String>,
}

impl Pages {
    /// From the first page on.
    fn begin(&mut self) {
        *self = Self { seen: std::mem::take(&mut self.seen), next: Some(1), ..Self::default() };
    }

    fn take(&mut self, answer: &ListingAnswer) {
        let page = self.next.take().unwrap_or(1);
        let of = &answer.pagination;
        self.shifted |= *self.total.get_or_insert(of.total) != of.total;
        let records = answer.reports.iter();
        let keys: Vec<String> =
            records.clone().filter_map(|r| Some(r.video_id()?.to_owned())).collect();
        // Behind the last page, a dashboard may give that one again.
        let goes_on = of.page == page && !keys.is_empty() && keys != self.last;
        for record in records {
            if let Some(key) = record.video_id() {
                self.seen.insert(key.to_owned(), Shown::from(record));
            }
        }
        self.last = keys;
        self.next = (goes_on && of.has_next).then_some(page + 1);
    }

    fn have_shifted(&self) -> bool {
        self.shifted || self.total.is_some_and(|total| self.seen.len() < total)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn page(ids: &[&str], page: usize, has_next: bool, total: usize) -> ListingAnswer {
        let reports: Vec<_> = ids.iter().map(|id| json!({ "video_id": id })).collect();
        let pagination = json!({ "page": page, "has_next": has_next, "total": total });
        serde_json::from_value(json!({ "reports": reports, "pagination": pagination })).unwrap()
    }

    fn read(answers: &[ListingAnswer]) -> Pages {
        let mut pages = Pages::default();
        pages.begin();
        for answer in answers {
            assert!(pages.next.is_some(), "it asks for no more: {pages:?}");
            pages.take(answer);
        }
        assert_eq!(pages.next, None, "it asks for more");
        pages
    }

    #[test]
    fn pages_follow_each_other_up_to_the_last() {
        let pages = read(&[page(&["a", "b"], 1, true, 3), page(&["c"], 2, false, 3)]);
        assert_eq!((pages.seen.len(), pages.have_shifted()), (3, false));
        let empty = read(&[page(&[], 1, false, 0)]);
        assert_eq!((empty.seen.len(), empty.have_shifted()), (0, false));
    }

    #[test]
    fn pages_that_shift_are_noticed() {
        let grown = read(&[page(&["a", "b"], 1, true, 3), page(&["b", "c"], 2, false, 4)]);
        assert_eq!((grown.seen.len(), grown.have_shifted()), (3, true));
        // One came, and one went.
        let same = read(&[page(&["a", "b"], 1, true, 4), page(&["b", "d"], 2, false, 4)]);
        assert!(same.have_shifted());
    }

    #[test]
    fn a_dashboard_that_always_has_a_next_page_is_not_asked_for_ever() {
        for last in [page(&["b"], 2, true, 2), page(&["c"], 2, true, 2), page(&[], 3, true, 2)] {
            read(&[page(&["a"], 1, true, 2), page(&["b"], 2, true, 2), last]);
        }
    }
}
