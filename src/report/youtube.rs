//! YouTube ids: what one looks like, where a URL holds it, and the URLs that follow from it.

/// Exactly eleven of `[A-Za-z0-9_-]` (contract B.1).
pub(super) const ID_LEN: usize = 11;

pub(super) fn is_id(text: &str) -> bool {
    text.len() == ID_LEN && text.bytes().all(is_id_byte)
}

fn is_id_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
}

/// The id in any of the URLs under which YouTube shows a video.
pub(super) fn id_in_url(url: &str) -> Option<&str> {
    let (_, rest) = url.trim().split_once("://").unwrap_or(("", url.trim()));
    let (host, path) = rest.split_once('/')?;
    let host = host.to_ascii_lowercase();
    let domain = |name: &str| host == name || host.ends_with(&format!(".{name}"));
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let start = if domain("youtu.be") {
        path
    } else if domain("youtube.com") || domain("youtube-nocookie.com") {
        ["shorts/", "embed/", "live/", "v/"]
            .iter()
            .find_map(|place| path.strip_prefix(place))
            .or_else(|| query.split(['&', '#']).find_map(|part| part.strip_prefix("v=")))?
    } else {
        return None;
    };
    let end = start.bytes().position(|byte| !is_id_byte(byte)).unwrap_or(start.len());
    Some(&start[..end]).filter(|id| is_id(id))
}

/// The page of a video.
pub(super) fn watch_url(id: &str) -> String {
    format!("https://www.youtube.com/watch?v={id}")
}

/// The still that YouTube keeps for every video.
pub(super) fn still_url(id: &str) -> String {
    format!("https://i.ytimg.com/vi/{id}/hqdefault.jpg")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_eleven_characters_of_its_alphabet() {
        for id in ["aB-3_xY9zQk", "-_gD9Hxgnbv", "T0_20250901", "abcdefghi_1"] {
            assert!(is_id(id), "{id}");
        }
        for text in ["", "aB-3_xY9zQ", "aB-3_xY9zQkk", "aB-3 xY9zQk", "aB-3_xY9zé"] {
            assert!(!is_id(text), "{text}");
        }
    }

    #[test]
    fn every_kind_of_video_url_holds_the_id() {
        for url in [
            "https://www.youtube.com/watch?v=aB-3_xY9zQk",
            "http://m.youtube.com/watch?app=desktop&v=aB-3_xY9zQk&t=3s",
            "https://youtube.com/watch?v=aB-3_xY9zQk#top",
            "https://music.youtube.com/watch?v=aB-3_xY9zQk",
            "https://YOUTU.BE/aB-3_xY9zQk?si=xyz",
            "youtu.be/aB-3_xY9zQk",
            "https://www.youtube.com/shorts/aB-3_xY9zQk/",
            "https://www.youtube-nocookie.com/embed/aB-3_xY9zQk?rel=0",
            "https://www.youtube.com/live/aB-3_xY9zQk",
        ] {
            assert_eq!(id_in_url(url), Some("aB-3_xY9zQk"), "{url}");
        }
    }

    #[test]
    fn other_urls_hold_none() {
        for url in [
            "",
            "aB-3_xY9zQk",
            "https://www.youtube.com/",
            "https://www.youtube.com/watch?v=short",
            "https://www.youtube.com/watch?v=aB-3_xY9zQkTooLong",
            "https://www.youtube.com/@channel",
            "https://example.org/watch?v=aB-3_xY9zQk",
            "https://notyoutu.be/aB-3_xY9zQk",
        ] {
            assert_eq!(id_in_url(url), None, "{url}");
        }
    }
}
