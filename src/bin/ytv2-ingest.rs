//! The ingest side's binary.

fn main() {}
