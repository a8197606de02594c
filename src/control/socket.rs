//! The socket's file: who may open it, and what is done when something stands there already.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::Path;

use tokio::net::UnixListener;

/// The owner and the group.
const MODE: u32 = 0o660;

/// Listens at a path. A socket that nobody answers any more is replaced; anything else that stands
/// there is left alone. Whoever calls holds the outbox's lock, so that two daemons do not race.
///
/// # Errors
/// In words that name the path and what to do.
pub fn bind(path: &Path) -> io::Result<UnixListener> {
    let at = |error: io::Error, what: &str| {
        io::Error::new(error.kind(), format!("control.socket {}: {what}: {error}", path.display()))
    };
    match fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() => {
            if UnixStream::connect(path).is_ok() {
                let error = io::Error::from(io::ErrorKind::AddrInUse);
                return Err(at(error, "another program answers there; name another path"));
            }
            fs::remove_file(path).map_err(|error| at(error, "a stale socket stays"))?;
        }
        Ok(_) => {
            let error = io::Error::from(io::ErrorKind::AlreadyExists);
            return Err(at(error, "something else than a socket stands there; move it away"));
        }
        Err(_) => {}
    }
    let listener = UnixListener::bind(path).map_err(|error| at(error, "cannot listen"))?;
    fs::set_permissions(path, Permissions::from_mode(MODE))
        .map_err(|error| at(error, "its mode cannot be set"))?;
    Ok(listener)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_stale_socket_is_replaced_and_anything_else_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ytv2d.sock");
        let first = bind(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, MODE);
        assert_eq!(bind(&path).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        drop(first);
        assert!(path.exists());
        bind(&path).unwrap();

        let file = directory.path().join("file");
        fs::write(&file, "precious").unwrap();
        let error = bind(&file).unwrap_err();
        assert!(error.to_string().contains("something else"), "{error}");
        assert_eq!(fs::read_to_string(&file).unwrap(), "precious");
    }
}
