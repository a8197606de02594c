//! What a report file says.
