//! A history: what happens to the disk, to the daemon and to the target, and to each request. It
//! has a short written form, so that one that ever found a fault can stand in a test.

use std::fmt;
use std::str::FromStr;

use super::chance::Chance;
use crate::id::Kind;

#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    /// Of everything small: how long things take, how waits are shortened.
    pub seed: u64,
    /// The target knows `X-Ytv2-Version`, as ours does and the dashboard does not.
    pub aware: bool,
    /// The target has no health endpoints.
    pub mute: bool,
    /// What the target never takes, and the status that it answers instead.
    pub poison: Vec<(Kind, u8, u16)>,
    /// In the order of their times, in milliseconds.
    pub steps: Vec<(i64, Step)>,
    /// What becomes of the first request, the second and so on; of all others: nothing special.
    pub fates: Vec<Fate>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    pub what: What,
    /// The kernel tells of it, where it is something that it could tell.
    pub heard: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub enum What {
    Report {
        file: u8,
        id: u8,
        age: Age,
        fields: u8,
        /// By their letters in [`VARIANTS`], with the number of their text.
        variants: Vec<(char, u8)>,
    },
    /// The report file becomes something that is none.
    Garbage(u8),
    Delete(u8),
    /// Over whatever is there.
    Rename(u8, u8),
    Touch(u8),
    /// Nothing of it changes but who may read it.
    Rights(u8),
    /// Two files may be the audio of an id: 2n and 2n + 1.
    Audio {
        file: u8,
        age: Age,
        bytes: u8,
    },
    DeleteAudio(u8),
    /// The audio of whatever the report file with this number is about.
    Named {
        file: u8,
        age: Age,
        bytes: u8,
    },
    DeleteNamed(u8),
    /// The target has greater numbers for an id than we do: from before the outbox was lost and the
    /// clock set back.
    Ahead(u8),
    Reconcile,
    Crash,
    /// Stops in order, and starts again.
    Restart,
    /// The outbox is lost with everything in it, and so is the daemon.
    Lose,
    /// The daemon dies, and the clock is set back before it starts again.
    SetBack,
    /// The directories are out of sight, and in sight again.
    Away,
    Home,
    Turn(Mode),
}

/// When content was made, and whether its file claims to have been written long ago.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Age {
    pub made: u8,
    pub old: bool,
}

/// The variants that occur. Nobody sees `adaptive` alone (contract C.6).
pub const VARIANTS: [(char, &str); 4] =
    [('c', "comprehensive"), ('b', "bullet-points"), ('u', "audio"), ('v', "adaptive")];

pub fn variant_name(letter: char) -> &'static str {
    VARIANTS.iter().find(|(known, _)| *known == letter).expect("a known letter").1
}

/// How the target is, to everybody.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mode {
    #[default]
    Up,
    /// Nobody listens.
    Down,
    /// Nobody answers.
    Silent,
    /// Every item fails, and the health knows it.
    Sick,
    /// Every item fails, and the health does not know.
    Blind,
    Denied,
    Moved,
    Busy,
    /// It takes two requests at a time, and turns the others away.
    Crowded,
}

impl Mode {
    /// Nothing gets through.
    pub fn is_outage(self) -> bool {
        !matches!(self, Mode::Up | Mode::Crowded)
    }
}

const MODES: [(Mode, &str); 9] = [
    (Mode::Up, "up"),
    (Mode::Down, "down"),
    (Mode::Silent, "silent"),
    (Mode::Sick, "sick"),
    (Mode::Blind, "blind"),
    (Mode::Denied, "denied"),
    (Mode::Moved, "moved"),
    (Mode::Busy, "busy"),
    (Mode::Crowded, "crowded"),
];

/// What becomes of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fate {
    Fine,
    /// It never arrives, and nobody says so.
    Lost,
    /// The connection is reset before anything is done.
    Reset,
    /// It is done, and the connection reset.
    Gulped,
    /// It is done, and the answer does not come in time.
    Late,
    /// It is held until nobody waits for it any more, and done so many seconds after.
    Zombie(u16),
    /// It is not done, and this is the answer.
    Status(u16),
    /// The same, with a wish for so many seconds of rest.
    Wait(u16, u16),
    /// It is done, and the answer is 500.
    Half,
    /// It is done, and the answer is empty.
    Empty,
    /// It is not done, and the answer is a hotel's.
    Hotel,
}

impl Fate {
    /// Whether it says something against the target or the item.
    pub fn is_failure(self) -> bool {
        !matches!(self, Fate::Fine | Fate::Wait(..) | Fate::Status(301..=307 | 401 | 403 | 404))
    }

    pub fn is_unproven(self) -> bool {
        matches!(self, Fate::Empty | Fate::Hotel)
    }
}

impl History {
    /// Nothing happens but writing, to a target that is well.
    pub fn is_calm(&self) -> bool {
        self.fates.iter().all(|fate| *fate == Fate::Fine)
            && self.steps.iter().all(|(_, step)| {
                !matches!(
                    step.what,
                    What::Turn(_)
                        | What::Crash
                        | What::Restart
                        | What::Lose
                        | What::SetBack
                        | What::Away
                )
            })
    }

    /// How often the target stops being well.
    pub fn outages(&self) -> u32 {
        self.steps
            .iter()
            .filter(|(_, step)| matches!(step.what, What::Turn(mode) if mode != Mode::Up))
            .count() as u32
    }

    /// A history by chance.
    pub fn random(seed: u64) -> Self {
        let chance = &mut Chance::new(seed);
        let ids = if chance.one_in(6) { 14 } else { 4 };
        let ids = 1 + chance.below(ids) as u8;
        let long = chance.one_in(4);
        let calm = chance.one_in(6);
        let poisonous = calm || chance.one_in(3);
        let mut poison = Vec::new();
        for id in 0..ids {
            if poisonous && chance.one_in(3) {
                let kind = if chance.one_in(3) { Kind::Audio } else { Kind::Report };
                poison.push((kind, id, if chance.one_in(4) { 413 } else { 500 }));
            }
        }
        let mut history = Self {
            seed,
            aware: chance.one_in(2),
            mute: chance.one_in(8),
            poison,
            ..Self::default()
        };
        let pace = chance.pick(&[30, 300, 3_000, 60_000]);
        let length = 2 + chance.below(if long { 50 } else { 14 });
        let mut now = 0;
        let (mut up, mut home) = (true, true);
        for _ in 0..length {
            now += chance.below(pace) as i64;
            if chance.one_in(30) {
                now += chance.below(3_600_000) as i64;
            }
            let disaster = !calm && chance.one_in(4);
            let what = if disaster {
                match chance.below(8) {
                    0..3 => What::Crash,
                    3 => What::Restart,
                    4 if chance.one_in(4) => What::Lose,
                    4 if chance.one_in(2) => What::SetBack,
                    4 | 5 => {
                        home = !home;
                        if home { What::Home } else { What::Away }
                    }
                    _ => {
                        up = !up;
                        let mode =
                            if up { 0 } else { 1 + chance.below(MODES.len() as u64 - 1) as usize };
                        What::Turn(MODES[mode].0)
                    }
                }
            } else {
                change(ids, chance)
            };
            history.steps.push((now, Step { what, heard: !chance.one_in(5) }));
        }
        if !calm {
            let trouble = chance.pick(&[2, 3, 6, 20]);
            let requests = chance.below(40);
            history.fates = (0..requests)
                .map(|_| if chance.one_in(trouble) { fate(chance) } else { Fate::Fine })
                .collect();
        }
        history
    }
}

fn change(ids: u8, chance: &mut Chance) -> What {
    let id = chance.below(ids.into()) as u8;
    let file = if chance.one_in(4) { id + ids } else { id };
    let age = Age { made: chance.below(5) as u8, old: chance.one_in(5) };
    match chance.below(20) {
        0..9 => {
            let mut variants: Vec<_> =
                VARIANTS.iter().map(|(letter, _)| (*letter, chance.below(3) as u8)).collect();
            variants.retain(|_| chance.one_in(2));
            let id = if chance.one_in(12) { chance.below(ids.into()) as u8 } else { id };
            What::Report { file, id, age, fields: chance.below(3) as u8, variants }
        }
        9..14 if chance.one_in(4) => What::Named { file, age, bytes: chance.below(3) as u8 },
        9..14 => {
            let file = 2 * id + u8::from(chance.one_in(4));
            What::Audio { file, age, bytes: chance.below(3) as u8 }
        }
        14 => What::Delete(file),
        15 if chance.one_in(4) => What::DeleteNamed(file),
        15 => What::DeleteAudio(2 * id + u8::from(chance.one_in(4))),
        16 => What::Rename(chance.below(2 * u64::from(ids)) as u8, file),
        17 => What::Touch(file),
        18 => match chance.below(4) {
            0 => What::Ahead(id),
            1 => What::Rights(file),
            _ => What::Garbage(file),
        },
        _ => What::Reconcile,
    }
}

fn fate(chance: &mut Chance) -> Fate {
    match chance.below(24) {
        0..2 => Fate::Lost,
        2..4 => Fate::Reset,
        4..7 => Fate::Gulped,
        7..9 => Fate::Late,
        9..12 => Fate::Zombie(chance.below(120) as u16),
        12 => Fate::Wait(if chance.one_in(2) { 429 } else { 503 }, 1 + chance.below(90) as u16),
        13 => Fate::Half,
        14 => Fate::Empty,
        15 => Fate::Hotel,
        16 if chance.one_in(2) => Fate::Status(chance.pick(&[401, 403, 302, 404])),
        _ => Fate::Status(chance.pick(&[408, 429, 500, 502, 503, 504])),
    }
}

// --- the written form

impl fmt::Display for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "seed={}", self.seed)?;
        for (flag, word) in [(self.aware, "aware"), (self.mute, "mute")] {
            if flag {
                write!(f, " {word}")?;
            }
        }
        for (kind, id, status) in &self.poison {
            let kind = if *kind == Kind::Report { 'r' } else { 'a' };
            write!(f, " poison={kind}{id}s{status}")?;
        }
        f.write_str(" |")?;
        for (at, step) in &self.steps {
            write!(f, " {at}:{}{}", step.what, if step.heard { "" } else { "?" })?;
        }
        f.write_str(" |")?;
        self.fates.iter().try_for_each(|fate| write!(f, " {fate}"))
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            What::Report { file, id, age, fields, variants } => {
                write!(f, "w{file}i{id}{age}f{fields}")?;
                variants.iter().try_for_each(|(letter, text)| write!(f, "{letter}{text}"))
            }
            What::Garbage(file) => write!(f, "g{file}"),
            What::Delete(file) => write!(f, "d{file}"),
            What::Rename(from, to) => write!(f, "m{from}t{to}"),
            What::Touch(file) => write!(f, "t{file}"),
            What::Rights(file) => write!(f, "r{file}"),
            What::Audio { file, age, bytes } => write!(f, "p{file}{age}n{bytes}"),
            What::DeleteAudio(file) => write!(f, "x{file}"),
            What::Named { file, age, bytes } => write!(f, "q{file}{age}n{bytes}"),
            What::DeleteNamed(file) => write!(f, "y{file}"),
            What::Ahead(id) => write!(f, "n{id}"),
            What::Reconcile => f.write_str("reconcile"),
            What::Crash => f.write_str("crash"),
            What::Restart => f.write_str("restart"),
            What::Lose => f.write_str("lose"),
            What::SetBack => f.write_str("setback"),
            What::Away => f.write_str("away"),
            What::Home => f.write_str("home"),
            What::Turn(mode) => f.write_str(
                MODES.iter().find(|(known, _)| known == mode).map_or("", |(_, word)| word),
            ),
        }
    }
}

impl fmt::Display for Age {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.old { 'o' } else { 'a' }, self.made)
    }
}

impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fate::Fine => f.write_str("fine"),
            Fate::Lost => f.write_str("lost"),
            Fate::Reset => f.write_str("reset"),
            Fate::Gulped => f.write_str("gulped"),
            Fate::Late => f.write_str("late"),
            Fate::Zombie(seconds) => write!(f, "zombie{seconds}"),
            Fate::Status(status) => write!(f, "s{status}"),
            Fate::Wait(status, seconds) => write!(f, "s{status}w{seconds}"),
            Fate::Half => f.write_str("half"),
            Fate::Empty => f.write_str("empty"),
            Fate::Hotel => f.write_str("hotel"),
        }
    }
}

impl FromStr for History {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let [head, steps, fates] = text.split('|').collect::<Vec<_>>()[..] else {
            return Err("head | steps | fates".to_owned());
        };
        let mut history = Self::default();
        for word in head.split_whitespace() {
            match word.split_once('=') {
                Some(("seed", seed)) => {
                    history.seed = seed.parse().map_err(|_| word.to_owned())?;
                }
                Some(("poison", what)) => {
                    let [(kind, id), ('s', status)] = letters(what)?[..] else {
                        return Err(word.to_owned());
                    };
                    let kind = if kind == 'r' { Kind::Report } else { Kind::Audio };
                    history.poison.push((kind, id as u8, status));
                }
                None if word == "aware" => history.aware = true,
                None if word == "mute" => history.mute = true,
                _ => return Err(word.to_owned()),
            }
        }
        for word in steps.split_whitespace() {
            let (at, what) = word.split_once(':').ok_or(word)?;
            let (what, heard) = match what.strip_suffix('?') {
                Some(what) => (what, false),
                None => (what, true),
            };
            let at = at.parse().map_err(|_| word.to_owned())?;
            history.steps.push((at, Step { what: what.parse()?, heard }));
        }
        history.fates = fates.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
        Ok(history)
    }
}

impl FromStr for What {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        if let Some((mode, _)) = MODES.iter().find(|(_, known)| *known == word) {
            return Ok(What::Turn(*mode));
        }
        match word {
            "reconcile" => return Ok(What::Reconcile),
            "crash" => return Ok(What::Crash),
            "restart" => return Ok(What::Restart),
            "lose" => return Ok(What::Lose),
            "setback" => return Ok(What::SetBack),
            "away" => return Ok(What::Away),
            "home" => return Ok(What::Home),
            _ => {}
        }
        let age = |letter, made: u16| Age { made: made as u8, old: letter == 'o' };
        Ok(match letters(word)?[..] {
            [('w', file), ('i', id), (old, made), ('f', fields), ref variants @ ..] => {
                What::Report {
                    file: file as u8,
                    id: id as u8,
                    age: age(old, made),
                    fields: fields as u8,
                    variants: variants.iter().map(|&(letter, text)| (letter, text as u8)).collect(),
                }
            }
            [('g', file)] => What::Garbage(file as u8),
            [('d', file)] => What::Delete(file as u8),
            [('m', from), ('t', to)] => What::Rename(from as u8, to as u8),
            [('t', file)] => What::Touch(file as u8),
            [('r', file)] => What::Rights(file as u8),
            [('p', file), (old, made), ('n', bytes)] => {
                What::Audio { file: file as u8, age: age(old, made), bytes: bytes as u8 }
            }
            [('x', file)] => What::DeleteAudio(file as u8),
            [('q', file), (old, made), ('n', bytes)] => {
                What::Named { file: file as u8, age: age(old, made), bytes: bytes as u8 }
            }
            [('y', file)] => What::DeleteNamed(file as u8),
            [('n', id)] => What::Ahead(id as u8),
            _ => return Err(word.to_owned()),
        })
    }
}

impl FromStr for Fate {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        Ok(match word {
            "fine" => Fate::Fine,
            "lost" => Fate::Lost,
            "reset" => Fate::Reset,
            "gulped" => Fate::Gulped,
            "late" => Fate::Late,
            "half" => Fate::Half,
            "empty" => Fate::Empty,
            "hotel" => Fate::Hotel,
            _ => match word.strip_prefix("zombie") {
                Some(seconds) => Fate::Zombie(seconds.parse().map_err(|_| word.to_owned())?),
                None => match letters(word)?[..] {
                    [('s', status)] => Fate::Status(status),
                    [('s', status), ('w', seconds)] => Fate::Wait(status, seconds),
                    _ => return Err(word.to_owned()),
                },
            },
        })
    }
}

/// Letters, each with a number after it.
fn letters(word: &str) -> Result<Vec<(char, u16)>, String> {
    let mut pairs = Vec::new();
    let mut rest = word;
    while let Some(letter) = rest.chars().next() {
        rest = &rest[letter.len_utf8()..];
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        pairs.push((letter, rest[..digits].parse().map_err(|_| word.to_owned())?));
        rest = &rest[digits..];
    }
    Ok(pairs)
}
