//! Where the daemon is asked, and the thread that waits for its answers.

use std::ffi::OsString;
use std::path::PathBuf;

use super::failure::Failure;
use crate::config::{self, control_socket, process_environment};
use crate::control::client::Client;

/// What every command can be told.
#[derive(Debug, clap::Args)]
pub struct At {
    /// The configuration; without it ./ytv2d.toml, then /etc/ytv2d/ytv2d.toml.
    #[arg(long, global = true, value_name = "FILE", display_order = 1000)]
    pub config: Option<PathBuf>,
    /// The socket of the daemon; without it the one of the configuration.
    #[arg(
        long,
        global = true,
        value_name = "PATH",
        env = "YTV2D_SOCKET",
        hide_env_values = true,
        display_order = 1001
    )]
    pub socket: Option<OsString>,
}

impl At {
    /// The configuration file that counts, where there is one.
    pub fn file(&self) -> Option<PathBuf> {
        config::find(self.config.as_deref())
    }

    /// The way to the daemon. Whether it runs shows when it is asked.
    ///
    /// # Errors
    /// When the configuration, which names the socket, cannot be read.
    pub fn client(&self) -> Result<Client, Failure> {
        // An empty variable counts as none, as all of ours do.
        let named = self.socket.as_ref().filter(|path| !path.is_empty()).map(PathBuf::from);
        let socket = match named {
            Some(socket) => socket,
            None => control_socket(self.file().as_deref(), &process_environment)?,
        };
        Ok(Client::new(&socket)?)
    }
}

/// Does something that waits for answers.
///
/// # Errors
/// What comes of it, or that nothing can be waited for.
pub fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work)
}
