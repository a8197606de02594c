//! Keeps what is in memory, secrets among it, out of core dumps, and from other processes of the
//! same user (prctl(2), PR_SET_DUMPABLE).

use rustix::process::{DumpableBehavior, set_dumpable_behavior};

/// To be called before a secret is read. Where it is not allowed, things are as they were.
pub fn forbid() {
    let _not_allowed = set_dumpable_behavior(DumpableBehavior::NotDumpable);
}
