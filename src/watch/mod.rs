//! The watching: a directory, the kernel's hints about it, and what has settled in it.
//!
//! Events are hints. They say where to look first, never what is true; that a scan finds out. The
//! only room that knows `notify`.

mod canary;
mod deletions;
mod directory;
mod eye;
mod hints;
mod just_read;
mod mounts;
mod names;
mod questions;
mod settling;
mod sources;
mod vision;

pub use canary::{CANARY, Canary};
pub use deletions::{Deletions, Judgement, is_mass_deletion};
pub use directory::{A_LINK, Directory, Entry, OpenedFile};
pub use eye::{Eye, Sight};
pub use hints::{Batch, Hints, Touch};
pub use just_read::{JustRead, SHORT};
pub use mounts::Mounts;
pub use names::Names;
pub use questions::{PATIENCE, Pulse, Questions};
pub use settling::Settling;
pub use sources::SourceHints;
pub use vision::{Reason, Sighting, Vision};
