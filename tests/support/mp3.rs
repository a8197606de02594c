//! Makes MP3 files: valid, silent, of any length, and different for each seed.

/// Samples in a frame of MPEG-1 layer III.
const FRAME_SAMPLES: u64 = 1152;
const SAMPLE_RATE: u64 = 44_100;
const BIT_RATE: u64 = 128_000;

/// A constant 128 kbit/s stereo file of at least so many seconds (rounded up to whole frames of
/// 26 ms), 16 kB a second. The seed stands in an ID3v2 tag, so other seeds give other bytes of the
/// same length.
pub fn mp3(seconds: u32, seed: u64) -> Vec<u8> {
    let frames = (u64::from(seconds) * SAMPLE_RATE).div_ceil(FRAME_SAMPLES);
    let mut file = tag(seed);
    // A frame takes 417.96 bytes; the padding bit gives the one more that most frames need.
    let mut owed = 0;
    for _ in 0..frames {
        let exact = FRAME_SAMPLES / 8 * BIT_RATE;
        owed += exact % SAMPLE_RATE;
        let padded = owed >= SAMPLE_RATE;
        if padded {
            owed -= SAMPLE_RATE;
        }
        frame(&mut file, (exact / SAMPLE_RATE) as usize + usize::from(padded), padded);
    }
    file
}

/// How many seconds [`mp3`] really gives, rounded as a clock would.
pub fn whole_seconds(seconds: u32) -> u64 {
    let frames = (u64::from(seconds) * SAMPLE_RATE).div_ceil(FRAME_SAMPLES);
    (frames * FRAME_SAMPLES + SAMPLE_RATE / 2) / SAMPLE_RATE
}

/// One frame: its header, then side information and main data of zeros, which decode to silence.
fn frame(file: &mut Vec<u8>, length: usize, padded: bool) {
    let end = file.len() + length;
    // Sync, MPEG-1 layer III, no CRC; 128 kbit/s, 44.1 kHz, the padding bit; plain stereo.
    file.extend_from_slice(&[0xFF, 0xFB, if padded { 0x92 } else { 0x90 }, 0x00]);
    file.resize(end, 0);
}

/// An ID3v2.3 tag with the seed as its title.
fn tag(seed: u64) -> Vec<u8> {
    let text = format!("seed {seed:020}");
    // One byte says that the text is Latin-1.
    let content = text.len() as u8 + 1;
    let mut tag = b"ID3\x03\x00\x00\x00\x00\x00".to_vec();
    // Sizes here stay below 128, where the tag's seven-bit bytes look like any others.
    tag.push(10 + content);
    tag.extend_from_slice(b"TIT2\x00\x00\x00");
    tag.extend_from_slice(&[content, 0, 0, 0]);
    tag.extend_from_slice(text.as_bytes());
    tag
}
