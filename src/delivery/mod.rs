//! What was promised about a delivery, as pure rules: what an answer means, when to try again, how
//! much was delivered and how fast.

mod backoff;
mod breaker;
mod concurrency;
mod evidence;
mod health;
mod latency;
mod pace;
mod retry_after;
mod state;
mod verdict;

pub use backoff::Backoff;
pub use breaker::{Breaker, BreakerSettings, Cause, Gate, Jitter, LONGEST};
pub use concurrency::Concurrency;
pub use evidence::{Blame, Evidence, strikes_after};
pub use health::{Health, judge_health};
pub use latency::{Latencies, Latency};
pub use pace::{Amount, Pace};
pub use retry_after::{RETRY_AFTER_MAX, retry_after};
pub use state::{ItemState, Stored, state_of};
pub use verdict::{Answer, Receipt, Transport, Verdict, judge, judge_at};
