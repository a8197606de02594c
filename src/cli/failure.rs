//! Why a command did not do what it was asked, in words and as an exit status.

use std::fmt::Display;
use std::io;
use std::process::ExitCode;

use crate::config::Fault;
use crate::control::client::ClientError;
use crate::file::Printable;

/// The configuration is at fault, so that a restart cannot help (sysexits.h).
pub const EX_CONFIG: u8 = 78;

/// The program is not running (systemctl's exit status for the same).
const NOT_RUNNING: u8 = 3;

/// What ends a command.
#[derive(Debug)]
pub enum Failure {
    Daemon(ClientError),
    Config(Vec<Fault>),
    /// Of the machine: a file, a terminal, a thread.
    System(io::Error),
}

impl Failure {
    /// Tells it on the error stream, a line each, and gives the exit status.
    pub fn tell(self) -> ExitCode {
        match self {
            Failure::Daemon(error) => {
                say(&error);
                match error {
                    ClientError::NotRunning(_) => ExitCode::from(NOT_RUNNING),
                    _ => ExitCode::FAILURE,
                }
            }
            Failure::Config(faults) => {
                faults.iter().for_each(say);
                ExitCode::from(EX_CONFIG)
            }
            // Whoever read has had enough, as `head` does.
            Failure::System(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                ExitCode::SUCCESS
            }
            Failure::System(error) => {
                say(&error);
                ExitCode::FAILURE
            }
        }
    }
}

/// One line, whatever was typed, stands in a file or comes from the daemon.
pub fn say(what: &impl Display) {
    eprintln!("ytv2d: {}", Printable(what.to_string().as_bytes()));
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        Failure::Daemon(error)
    }
}

impl From<Vec<Fault>> for Failure {
    fn from(faults: Vec<Fault>) -> Self {
        Failure::Config(faults)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Failure::System(error)
    }
}
