//! The only place that asks the time; everyone else is told.

use jiff::Timestamp;

/// Now, as the system's clock has it. It may jump: for records and for people, never for waiting.
pub fn now() -> Timestamp {
    Timestamp::now()
}

/// Now, in milliseconds since 1970.
pub fn now_ms() -> i64 {
    now().as_millisecond()
}
