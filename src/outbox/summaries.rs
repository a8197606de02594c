//! How the summaries of a report stand in a column: each as its name and its digest, and the usual
//! names as a number, since there are as many of them as reports.

use super::model::Taken;
use crate::id::Version;

/// The names of contract H.1.3. Their places stand in files, so that more may only follow.
const USUAL: [&str; 10] = [
    "comprehensive",
    "bullet-points",
    "key-insights",
    "key-points",
    "executive",
    "adaptive",
    "audio",
    "audio-fr",
    "audio-es",
    "deep-research",
];

/// Before a name that is none of those: its length in two bytes follows, and itself.
const SPELT: u8 = u8::MAX;

pub fn pack(taken: &Taken) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, digest) in taken {
        match USUAL.iter().position(|usual| usual == name) {
            Some(place) => bytes.push(place as u8),
            None => {
                // A name so long is cut, and then counts as another: that costs a repeat.
                let name = &name[..name.floor_char_boundary(usize::from(u16::MAX))];
                bytes.push(SPELT);
                bytes.extend((name.len() as u16).to_be_bytes());
                bytes.extend(name.as_bytes());
            }
        }
        bytes.extend(digest.as_bytes());
    }
    bytes
}

/// NULL is none. What cannot be read counts as not taken: that costs a repeat at the most.
pub fn unpack(bytes: Option<&[u8]>) -> Taken {
    let mut rest = bytes.unwrap_or_default();
    let mut taken = Taken::new();
    while !rest.is_empty() {
        match summary(&mut rest) {
            Some((name, digest)) => taken.insert(name, digest),
            None => return Taken::new(),
        };
    }
    taken
}

/// Takes the next summary off the front.
fn summary(rest: &mut &[u8]) -> Option<(String, Version)> {
    let name = match *rest.split_off_first()? {
        SPELT => {
            let length: [u8; 2] = rest.split_off(..2)?.try_into().ok()?;
            let name = rest.split_off(..usize::from(u16::from_be_bytes(length)))?;
            std::str::from_utf8(name).ok()?
        }
        place => USUAL.get(usize::from(place))?,
    };
    let digest = rest.split_off(..16)?.try_into().ok()?;
    Some((name.to_owned(), Version::from_bytes(digest)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(names: &[&str]) -> Taken {
        names.iter().map(|name| ((*name).to_owned(), Version::of(name.as_bytes()))).collect()
    }

    #[test]
    fn what_is_packed_comes_out_again_and_is_small() {
        for (names, bytes) in [
            (&[][..], 0),
            (&["comprehensive"], 17),
            (&["comprehensive", "bullet-points"], 34),
            (&["audio-fr:beginner"], 3 + 17 + 16),
            (&["ünüsual", "", "audio-es", "deep-research"], 3 + 9 + 3 + 2 + 4 * 16),
        ] {
            let packed = pack(&taken(names));
            assert_eq!(packed.len(), bytes, "{names:?}");
            assert_eq!(unpack(Some(&packed)), taken(names));
        }
        assert_eq!(unpack(None), Taken::new());
    }

    #[test]
    fn what_cannot_be_read_counts_as_not_taken() {
        let packed = pack(&taken(&["comprehensive", "another"]));
        for length in 1..packed.len() {
            // The end of the first of them.
            let whole = length == 3 + 7 + 16;
            assert_eq!(unpack(Some(&packed[..length])).is_empty(), !whole, "{length}");
        }
        assert_eq!(unpack(Some(&[200; 17])), Taken::new(), "a number without a name");
    }
}
