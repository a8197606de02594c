//! What a service manager hands over: the listening socket, and the secrets that it keeps.

use std::io;
use std::net::TcpListener;
use std::path::Path;

use listenfd::ListenFd;

/// The TCP socket that systemd listens on for us (sd_listen_fds(3)); nothing without one. To be
/// asked before there are threads, since it takes the variables out of the environment.
///
/// # Errors
/// Something else was passed.
pub fn listener() -> io::Result<Option<TcpListener>> {
    let socket = ListenFd::from_env().take_tcp_listener(0)?;
    if let Some(socket) = &socket {
        socket.set_nonblocking(true)?;
    }
    Ok(socket)
}

/// A secret: the systemd credential of this name, else the environment's variable.
///
/// # Errors
/// A credential that is there, and cannot be read.
pub fn secret(credential: &str, variable: &str) -> io::Result<Option<String>> {
    let environment = |name: &str| std::env::var(name).ok();
    find(environment("CREDENTIALS_DIRECTORY").as_deref(), credential, || environment(variable))
}

/// A blank credential stands for none: it is what an optional one looks like (SetCredential=).
fn find(
    directory: Option<&str>,
    credential: &str,
    variable: impl FnOnce() -> Option<String>,
) -> io::Result<Option<String>> {
    let read =
        directory.map(|directory| std::fs::read_to_string(Path::new(directory).join(credential)));
    match read {
        Some(Ok(text)) if !text.trim().is_empty() => Ok(Some(text)),
        Some(Err(error)) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(variable()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_wins_over_the_environment_unless_it_is_blank() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().to_str().unwrap();
        let found =
            |directory| find(directory, "token", || Some("variable".to_owned())).unwrap().unwrap();
        assert_eq!(found(None), "variable");
        assert_eq!(found(Some(path)), "variable");
        std::fs::write(directory.path().join("token"), "\n").unwrap();
        assert_eq!(found(Some(path)), "variable");
        std::fs::write(directory.path().join("token"), "credential").unwrap();
        assert_eq!(found(Some(path)), "credential");
    }

    #[test]
    fn a_credential_that_cannot_be_read_is_not_passed_over() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("token")).unwrap();
        assert!(find(directory.path().to_str(), "token", || None).is_err());
    }
}
