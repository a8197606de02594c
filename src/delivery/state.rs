//! How an item stands with a target, in the words that an operator reads.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// One of the states that every item, or file, is in at every target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ItemState {
    /// The target holds what is on the disk.
    Current,
    /// To be sent as soon as there is room.
    Due,
    /// For something that is said with it.
    Waiting,
    /// A request is under way.
    InFlight,
    /// Not tried again until the file changes.
    Parked,
    /// Nothing can be delivered of the file.
    Invalid,
    /// Gone before it was delivered.
    Vanished,
    /// Forgotten by order, until the file changes.
    Dropped,
}

impl ItemState {
    pub const ALL: [ItemState; 8] = [
        ItemState::Current,
        ItemState::Due,
        ItemState::Waiting,
        ItemState::InFlight,
        ItemState::Parked,
        ItemState::Invalid,
        ItemState::Vanished,
        ItemState::Dropped,
    ];

    /// The word of the command line, the socket and the status.
    pub fn as_str(self) -> &'static str {
        match self {
            ItemState::Current => "current",
            ItemState::Due => "due",
            ItemState::Waiting => "waiting",
            ItemState::InFlight => "in_flight",
            ItemState::Parked => "parked",
            ItemState::Invalid => "invalid",
            ItemState::Vanished => "vanished",
            ItemState::Dropped => "dropped",
        }
    }
}

impl FromStr for ItemState {
    type Err = String;

    /// # Errors
    /// The words that there are.
    fn from_str(word: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|state| state.as_str() == word)
            .ok_or_else(|| format!("one of {}", Self::ALL.map(Self::as_str).join(", ")))
    }
}

/// What is written down of an item at a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stored {
    Current,
    Due { due_ms: i64 },
    WaitsForReport,
    Parked,
    Vanished,
    Dropped,
}

/// How an item stands at a moment, given what is written down and whether a request is under way,
/// which is never written down.
pub fn state_of(stored: Stored, in_flight: bool, now_ms: i64) -> ItemState {
    match stored {
        _ if in_flight => ItemState::InFlight,
        Stored::Current => ItemState::Current,
        Stored::Due { due_ms } if due_ms > now_ms => ItemState::Waiting,
        Stored::Due { .. } => ItemState::Due,
        Stored::WaitsForReport => ItemState::Waiting,
        Stored::Parked => ItemState::Parked,
        Stored::Vanished => ItemState::Vanished,
        Stored::Dropped => ItemState::Dropped,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_stored_state_has_its_word() {
        for (stored, in_flight, state) in [
            (Stored::Current, false, ItemState::Current),
            (Stored::Due { due_ms: 5 }, false, ItemState::Due),
            (Stored::Due { due_ms: 6 }, false, ItemState::Waiting),
            (Stored::WaitsForReport, false, ItemState::Waiting),
            (Stored::Parked, false, ItemState::Parked),
            (Stored::Vanished, false, ItemState::Vanished),
            (Stored::Dropped, false, ItemState::Dropped),
            (Stored::Due { due_ms: 5 }, true, ItemState::InFlight),
            // It vanished, or was settled, while its request is still under way.
            (Stored::Vanished, true, ItemState::InFlight),
        ] {
            assert_eq!(state_of(stored, in_flight, 5), state, "{stored:?} {in_flight}");
        }
    }

    #[test]
    fn the_words_are_those_of_the_wire() {
        for state in ItemState::ALL {
            assert_eq!(serde_json::to_value(state).unwrap(), state.as_str());
            assert_eq!(state.as_str().parse(), Ok(state));
        }
    }
}
