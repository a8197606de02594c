//! What kind of file system a path lies on, by its number in statfs(2).

use std::path::Path;

/// A file system, as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileSystem {
    pub name: &'static str,
    /// Another machine, or a program, stands behind it: it may change without this kernel's doing,
    /// and what it says of locks and of durability is not this kernel's word.
    pub is_remote: bool,
}

/// The file system that a path lies on; nothing when the path cannot be asked.
pub fn of(path: &Path) -> Option<FileSystem> {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    // The type is 32 bits wide, and on some machines its sign is carried on.
    rustix::fs::statfs(path).ok().map(|stat| by_number(stat.f_type as u32))
}

fn by_number(number: u32) -> FileSystem {
    let remote = |name| FileSystem { name, is_remote: true };
    let local = |name| FileSystem { name, is_remote: false };
    match number {
        0x6969 => remote("NFS"),
        0x517B | 0xFE53_4D42 => remote("SMB"),
        0xFF53_4D42 => remote("CIFS"),
        0x0102_1997 => remote("9p"),
        0x6573_5546 => remote("FUSE"),
        0x5346_414F | 0x6B41_4653 => remote("AFS"),
        0x00C3_6400 => remote("Ceph"),
        0x7375_7245 => remote("Coda"),
        0x564C => remote("NCP"),
        0x0BD0_0BD0 => remote("Lustre"),
        0x786F_4256 => remote("VirtualBox shared folder"),
        0xEF53 => local("ext4"),
        0x5846_5342 => local("XFS"),
        0x9123_683E => local("btrfs"),
        0x2FC1_2FC1 => local("ZFS"),
        0xF2F5_2010 => local("F2FS"),
        0xCA45_1A4E => local("bcachefs"),
        0x0102_1994 => local("tmpfs"),
        0x794C_7630 => local("overlay"),
        _ => local("unknown"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_systems_are_known_by_number_and_those_of_others_are_told_apart() {
        for (number, name, is_remote) in [
            (0x6969, "NFS", true),
            (0x517B, "SMB", true),
            (0xFE53_4D42, "SMB", true),
            (0xFF53_4D42, "CIFS", true),
            (0x0102_1997, "9p", true),
            (0x6573_5546, "FUSE", true),
            (0x5346_414F, "AFS", true),
            (0x6B41_4653, "AFS", true),
            (0x00C3_6400, "Ceph", true),
            (0xEF53, "ext4", false),
            (0x5846_5342, "XFS", false),
            (0x9123_683E, "btrfs", false),
            (0x2FC1_2FC1, "ZFS", false),
            (0x0102_1994, "tmpfs", false),
            (0x794C_7630, "overlay", false),
            (0x1234, "unknown", false),
        ] {
            assert_eq!(by_number(number), FileSystem { name, is_remote }, "{number:#x}");
        }
    }

    #[test]
    fn a_path_that_is_not_there_has_none() {
        assert_eq!(of(Path::new("/no/such/path")), None);
        assert!(of(Path::new("")).is_some(), "the current directory");
    }
}
