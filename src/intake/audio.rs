//! Reads an audio file once, for its digest and its length.

use std::fs::File;
use std::io::{self, Read};
use std::sync::{Arc, Mutex, PoisonError};

use symphonia::core::formats::FormatOptions;
use symphonia::core::formats::probe::Hint;
use symphonia::core::io::{MediaSourceStream, ReadOnlySource};
use symphonia::core::meta::MetadataOptions;

use super::look::{Outcome, Rules};
use crate::file::FileRef;
use crate::id::Version;
use crate::outbox::{AudioFacts, Found};
use crate::report::{AudioName, audio_name};
use crate::watch::{OpenedFile, Pulse};

pub fn read(opened: &OpenedFile, file: &FileRef, rules: &Rules, pulse: &Pulse) -> Outcome {
    let stamp = opened.stamp;
    let (keys, named) =
        match (rules.pairs.id_of(&file.name), audio_name(&file.name.to_string_lossy())) {
            (Some(id), AudioName::Ours { stamp, .. }) => (vec![id.to_string()], stamp),
            (Some(id), AudioName::Ignored(_)) => (vec![id.to_string()], None),
            (None, AudioName::Ours { mut keys, stem, stamp }) => {
                keys.push(stem);
                (keys, stamp)
            }
            // Names are sorted out before anything is read.
            (None, AudioName::Ignored(_)) => return Outcome::Moving,
        };
    if stamp.size == 0 {
        let problem = "it is empty: the conversion to speech failed, or is not through; run it \
                       again"
            .to_owned();
        return Outcome::Found(Found::Problem(stamp, problem));
    }
    // The name says when the audio was made, in the pipeline's own time; a copy keeps that.
    let made_ms = named
        .and_then(|at| at.to_zoned(rules.timezone.clone()).ok())
        .map_or(stamp.mtime_ns / 1_000_000, |at| at.timestamp().as_millisecond());
    match digest_and_length(&opened.file, pulse) {
        Ok((digest, seconds)) => {
            Outcome::Found(Found::Audio(stamp, AudioFacts { keys, made_ms, digest, seconds }))
        }
        Err(error) => Outcome::Failed(error),
    }
}

/// Hashes whatever is read through it.
struct Hashing {
    file: File,
    pulse: Pulse,
    hasher: Arc<Mutex<blake3::Hasher>>,
    failure: Arc<Mutex<Option<io::Error>>>,
}

impl Read for Hashing {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.pulse.beat();
        match self.file.read(buffer) {
            Ok(read) => {
                let mut hasher = self.hasher.lock().unwrap_or_else(PoisonError::into_inner);
                hasher.update(&buffer[..read]);
                Ok(read)
            }
            Err(error) => {
                let kind = error.kind();
                *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                Err(kind.into())
            }
        }
    }
}

/// Reads the file from front to end, once: the demuxer pulls the bytes through the hash.
fn digest_and_length(file: &File, pulse: &Pulse) -> io::Result<(Version, Option<i64>)> {
    let hasher = Arc::new(Mutex::new(blake3::Hasher::new()));
    let failure = Arc::new(Mutex::new(None));
    let reader = || -> io::Result<Hashing> {
        Ok(Hashing {
            file: file.try_clone()?,
            pulse: pulse.clone(),
            hasher: Arc::clone(&hasher),
            failure: Arc::clone(&failure),
        })
    };
    let seconds = length(reader()?);
    // The demuxer may have given up early; the digest wants every byte.
    io::copy(&mut reader()?, &mut io::sink())?;
    if let Some(error) = failure.lock().unwrap_or_else(PoisonError::into_inner).take() {
        return Err(error);
    }
    let hash = hasher.lock().unwrap_or_else(PoisonError::into_inner).finalize();
    Ok((Version::from_hash(&hash), seconds))
}

/// The length in whole seconds by adding up the frames: a header's word can be missing, or wrong
/// for a file that was cut off. Nothing, when the bytes are no MP3.
fn length(source: Hashing) -> Option<i64> {
    let stream = MediaSourceStream::new(Box::new(ReadOnlySource::new(source)), Default::default());
    let mut format = symphonia::default::get_probe()
        .probe(
            Hint::new().with_extension("mp3"),
            stream,
            FormatOptions::default(),
            MetadataOptions::default(),
        )
        .ok()?;
    let track = format.tracks().first()?;
    let (id, base) = (track.id, track.time_base?);
    let mut ticks: u64 = 0;
    while let Ok(Some(packet)) = format.next_packet() {
        if packet.track_id == id {
            ticks += packet.dur.get();
        }
    }
    let seconds = ticks as f64 * f64::from(base.numer.get()) / f64::from(base.denom.get());
    (ticks > 0).then_some(seconds.round() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    /// Silent frames of MPEG-1 layer III at 128 kbit/s and 44.1 kHz: 1152 samples each.
    fn mp3(frames: usize) -> Vec<u8> {
        let mut frame = vec![0; 417];
        frame[..4].copy_from_slice(&[0xff, 0xfb, 0x90, 0xc4]);
        frame.repeat(frames)
    }

    fn of(bytes: &[u8]) -> (Version, Option<i64>) {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        io::Seek::rewind(&mut file).unwrap();
        digest_and_length(&file, &Pulse::start()).unwrap()
    }

    #[test]
    fn one_reading_gives_the_digest_of_every_byte_and_the_length() {
        let ten_seconds = mp3(383);
        let (digest, seconds) = of(&ten_seconds);
        assert_eq!(digest, Version::of(&ten_seconds));
        assert_eq!(seconds, Some(10));
    }

    #[test]
    fn what_is_no_mp3_has_a_digest_and_no_length() {
        for bytes in [&b"not audio at all"[..], &[0; 100_000], &[0xff; 5]] {
            let (digest, seconds) = of(bytes);
            assert_eq!(digest, Version::of(bytes));
            assert_eq!(seconds, None, "{} bytes", bytes.len());
        }
    }

    #[test]
    fn junk_behind_the_frames_is_part_of_the_digest() {
        let mut bytes = mp3(383);
        bytes.extend(std::iter::repeat_n(7, 200_000));
        assert_eq!(of(&bytes).0, Version::of(&bytes));
    }
}
