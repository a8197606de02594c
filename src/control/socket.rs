//! The socket's file: who may open it, and what is done when something stands there already.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt, chown};
use std::os::unix::net::UnixStream;

use nix::unistd::Group;
use tokio::net::UnixListener;

use crate::config::Control;

/// Listens where the configuration says. A socket that nobody answers any more is replaced; anything else that stands
/// there is left alone. Whoever calls holds the outbox's lock, so that two daemons do not race.
///
/// # Errors
/// In words that name the path and what to do.
pub fn bind(control: &Control) -> io::Result<UnixListener> {
    let path = control.socket.as_path();
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
    let group = control.group.as_deref().map(group).transpose()?;
    let listener = UnixListener::bind(path).map_err(|error| at(error, "cannot listen"))?;
    if group.is_some() {
        chown(path, None, group).map_err(|error| {
            at(error, "control.group cannot be set: ytv2d must be a member of that group, or root")
        })?;
    }
    fs::set_permissions(path, Permissions::from_mode(control.mode))
        .map_err(|error| at(error, "its mode cannot be set"))?;
    Ok(listener)
}

/// Listens on a socket that somebody else has made, and set the mode of.
///
/// # Errors
/// Those of the system.
pub fn adopt(listener: std::os::unix::net::UnixListener) -> io::Result<UnixListener> {
    listener.set_nonblocking(true)?;
    UnixListener::from_std(listener)
}

/// The number of a group that is named, or numbered.
fn group(name: &str) -> io::Result<u32> {
    let unknown = |why: String| {
        let text = format!("control.group {name}: {why}; name one of /etc/group");
        io::Error::new(io::ErrorKind::NotFound, text)
    };
    if let Ok(number) = name.parse() {
        return Ok(number);
    }
    match Group::from_name(name) {
        Ok(Some(group)) => Ok(group.gid.as_raw()),
        Ok(None) => Err(unknown("there is no such group".to_owned())),
        Err(error) => Err(unknown(error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn own_group() -> String {
        rustix::process::getgid().to_string()
    }

    #[test]
    fn a_group_goes_by_its_name_or_number() {
        assert_eq!(group("root").unwrap(), 0);
        assert_eq!(group("77").unwrap(), 77);
        let error = group("no-such-group").unwrap_err().to_string();
        assert!(error.contains("control.group no-such-group: there is no such group"), "{error}");
    }

    #[tokio::test]
    async fn a_stale_socket_is_replaced_and_anything_else_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ytv2d.sock");
        let control = |path: &Path| Control {
            socket: path.to_owned(),
            mode: 0o640,
            group: Some(own_group()),
        };
        let first = bind(&control(&path)).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
        assert_eq!(bind(&control(&path)).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        drop(first);
        assert!(path.exists());
        bind(&control(&path)).unwrap();

        let file = directory.path().join("file");
        fs::write(&file, "precious").unwrap();
        let error = bind(&control(&file)).unwrap_err();
        assert!(error.to_string().contains("something else"), "{error}");
        assert_eq!(fs::read_to_string(&file).unwrap(), "precious");
    }
}
