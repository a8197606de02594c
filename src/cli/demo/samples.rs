//! The demo's files, and what must arrive of each.

/// A report file, and the record that it must become.
#[derive(Debug)]
pub struct Sample {
    pub file_name: &'static str,
    pub text: &'static str,
    pub id: &'static str,
    pub title: &'static str,
    pub channel: &'static str,
    /// Which summaries the record must have once this file has arrived.
    pub variants: &'static [&'static str],
}

macro_rules! sample {
    ($name:literal) => {
        ($name, include_str!(concat!("../../samples/", $name)))
    };
}

const fn sample(
    (file_name, text): (&'static str, &'static str),
    id: &'static str,
    title: &'static str,
    channel: &'static str,
    variants: &'static [&'static str],
) -> Sample {
    Sample { file_name, text, id, title, channel, variants }
}

/// One of each shape, and two files about one video.
pub const SAMPLES: &[Sample] = &[
    sample(
        sample!("a_beginners_guide_to_folding_fitted_sheets_part_1___kN3vRfoldS.json"),
        "_kN3vRfoldS",
        "A Beginner's Guide to Folding Fitted Sheets (Part 1 of 47)",
        "Linen & Despair",
        &["audio", "comprehensive"],
    ),
    sample(
        sample!("my_kettle_and_my_toaster_have_started_a_union_what_1n7kettle.json"),
        "reddit:1n7kettle",
        "My kettle and my toaster have started a union. What are my options?",
        "r/applianceadvice",
        &["comprehensive", "key-insights"],
    ),
    sample(
        sample!("where_do_the_socks_go_a_field_study_T0_SoqcKz_1.json"),
        "T0_SoqcKz_1",
        "Where Do the Socks Go? A Field Study",
        "Domestic Mysteries Desk",
        &["comprehensive"],
    ),
    sample(
        sample!("i_taught_a_pigeon_to_review_restaurants_bM9xPigeo0n.json"),
        "bM9xPigeo0n",
        "I Taught a Pigeon to Review Restaurants",
        "Crumbs and Criticism",
        &["comprehensive"],
    ),
    sample(
        sample!("the_lift_that_only_went_sideways_a_short_history_-hT5wLiftQ8.json"),
        "-hT5wLiftQ8",
        "The Lift That Only Went Sideways: A Short History",
        "Engineering, Mostly",
        &["comprehensive"],
    ),
    sample(
        sample!("geese_the_neighbours_nobody_invited_eG0oseH0nk7.json"),
        "eG0oseH0nk7",
        "Geese: The Neighbours Nobody Invited",
        "Pond Affairs Weekly",
        &["bullet-points", "comprehensive"],
    ),
    sample(
        sample!("unknown_video_20250904_101530.json"),
        "zZ4napTime_",
        "Naps: A Peer-Reviewed Lie-Down",
        "The Horizontal Lecture",
        &["comprehensive"],
    ),
    sample(
        sample!("why_the_other_queue_is_always_faster_Qz7-mTea4Lk.json"),
        "Qz7-mTea4Lk",
        "Why the Other Queue Is Always Faster",
        "Institute of Everyday Injustice",
        &["comprehensive"],
    ),
    sample(
        sample!("why_the_other_queue_is_always_faster_Qz7-mTea4Lk_1.json"),
        "Qz7-mTea4Lk",
        "Why the Other Queue Is Always Faster",
        "Institute of Everyday Injustice",
        &["bullet-points", "comprehensive"],
    ),
];

/// The audio sample and what it belongs to.
#[derive(Debug)]
pub struct Audio {
    pub id: &'static str,
    pub file_name: String,
    pub bytes: Vec<u8>,
    /// Length in whole seconds.
    pub seconds: i64,
}

impl Audio {
    /// Twelve seconds of silence: MPEG-1 layer III, 128 kbit/s at 44.1 kHz, 1152 samples a frame.
    pub fn sample() -> Self {
        const SECONDS: usize = 12;
        let id = SAMPLES[0].id;
        let mut frame = vec![0; 417];
        frame[..4].copy_from_slice(&[0xff, 0xfb, 0x90, 0xc4]);
        Self {
            id,
            file_name: format!("audio_{id}_20250904_120000.mp3"),
            bytes: frame.repeat((SECONDS * 44_100).div_ceil(1152)),
            seconds: SECONDS as i64,
        }
    }
}

/// A sample as somebody rewrites it.
#[derive(Debug)]
pub struct Rewrite {
    pub sample: &'static Sample,
    pub text: String,
    /// Words that only the new text has.
    pub new_words: &'static str,
}

/// The kettle, in other words.
pub fn rewrite() -> Rewrite {
    let (old, new_words) = ("wanted tea and toast", "insists on tea and toast");
    let sample = SAMPLES
        .iter()
        .find(|sample| sample.text.contains(old))
        .expect("one of the samples has these words");
    Rewrite { sample, text: sample.text.replace(old, new_words), new_words }
}
