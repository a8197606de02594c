//! The name of a file: whose audio it is, and how it is shown.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use ytv2d::file::{FileRef, Printable, Root};
use ytv2d::report::{AudioName, audio_name, ignored_report_name};

pub fn fuzz(data: &[u8]) {
    crate::safe::is_safe(&Printable(data).to_string());
    ignored_report_name(data);
    let name = OsStr::from_bytes(data);
    for root in Root::ALL {
        let file = FileRef::new(root, name);
        crate::safe::is_safe(&file.to_string());
        assert_eq!(file.name_bytes(), data);
        let _stem = file.stem();
    }
    if let AudioName::Ours { .. } = audio_name(&String::from_utf8_lossy(data)) {
        assert!(data.len() > 4);
    }
}
