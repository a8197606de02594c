//! Asks a target, gently: whoever asks rests as long as the answer took, so that at least half of
//! the target's time is left to those who look at it; and a fault is no answer before it came thrice.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use tokio_retry::RetryIf;
use tokio_retry::strategy::FixedInterval;

use crate::target::Unread;

/// Nobody rests longer.
const REST_MAX: Duration = Duration::from_secs(1);
/// Between two tries, and how many follow the first.
const AGAIN: Duration = Duration::from_secs(1);
const TRIES: usize = 2;

/// Puts a question, and rests.
///
/// # Errors
/// Those of the question.
pub async fn gently<T, F>(mut question: impl FnMut() -> F) -> Result<T, Unread>
where
    F: Future<Output = Result<T, Unread>>,
{
    let ask = || {
        let asked = question();
        async {
            let begun = Instant::now();
            let answer = asked.await;
            sleep(begun.elapsed().min(REST_MAX)).await;
            answer
        }
    };
    let is_unsaid = |fault: &Unread| matches!(fault, Unread::Unsaid(_));
    RetryIf::start(FixedInterval::new(AGAIN).take(TRIES), ask, is_unsaid).await
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_fault_is_asked_about_thrice_and_an_absence_is_an_answer() {
        for (fault, expected) in [(Unread::Unsaid("500".to_owned()), 3), (Unread::Absent, 1)] {
            let asked = Cell::new(0);
            let question = || {
                asked.set(asked.get() + 1);
                let fault = fault.clone();
                async { Err::<(), _>(fault) }
            };
            assert_eq!(gently(question).await, Err(fault.clone()));
            assert_eq!(asked.get(), expected, "{fault}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_asks_rests_as_long_as_the_answer_took_and_no_longer_than_a_second() {
        for (takes, whole) in [(300, 600), (5000, 6000)] {
            let begun = Instant::now();
            let answer = gently(|| async {
                sleep(Duration::from_millis(takes)).await;
                Ok(())
            });
            answer.await.unwrap();
            assert_eq!(begun.elapsed(), Duration::from_millis(whole));
        }
    }
}
