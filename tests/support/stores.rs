//! The stores and media that a behaviour is tried on. It says aloud what it cannot be tried on here.

#![allow(dead_code, unused_macros)]

use crate::ingest::Home;
use crate::objects::Bucket;
use crate::postgres::Database;

pub fn at_sqlite(behaviour: fn(&Home)) {
    behaviour(&Home::new());
}

pub fn at_postgres(behaviour: fn(&Home)) {
    if let Some(database) = Database::fresh() {
        behaviour(&Home::at(&database.url()));
    }
}

pub fn at_a_bucket(behaviour: fn(&Home)) {
    if let (Some(database), Some(bucket)) = (Database::fresh(), Bucket::fresh()) {
        behaviour(&bucket.home(&database.url()));
    }
}

/// Makes each behaviour a test in a room of this name, at a home that is had in this way.
macro_rules! tests {
    ($name:ident, $at:ident, $($behaviour:ident,)*) => {
        mod $name {
            $(
                #[test]
                fn $behaviour() {
                    crate::stores::$at(crate::$behaviour);
                }
            )*
        }
    };
}

macro_rules! on_each_store {
    ($($behaviour:ident,)*) => {
        tests!(on_sqlite, at_sqlite, $($behaviour,)*);
        tests!(on_postgres, at_postgres, $($behaviour,)*);
    };
}
