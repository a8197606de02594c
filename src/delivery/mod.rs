//! What was promised about a delivery, as pure rules: what an answer means, when to try again.

mod backoff;
mod retry_after;
mod verdict;

pub use backoff::Backoff;
pub use retry_after::{RETRY_AFTER_MAX, retry_after};
pub use verdict::{Answer, Receipt, Transport, Verdict, judge};
