//! The ingest side.
