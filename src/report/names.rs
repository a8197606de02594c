//! Which names in the reports folder are not reports (contract A.7).

/// State files of the pipeline's own tools that end like a report. What else is no report (a quiz, a
/// placeholder) has no certain name, and is told by its content.
const STATE_FILES: [&[u8]; 1] = [b"video_ids_to_fix.json"];

/// Whether a file of this name is passed over without a look inside: hidden files, whatever is not
/// `.json` (temporary files among it), and state files.
pub fn ignored_report_name(name: &[u8]) -> bool {
    const ENDING: &[u8] = b".json";
    let ending = &name[name.len().saturating_sub(ENDING.len())..];
    name.starts_with(b".") || !ending.eq_ignore_ascii_case(ENDING) || STATE_FILES.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_temporary_and_state_files_are_no_reports() {
        for name in [
            &b".hidden.json"[..],
            b"._report.json",
            b"report.tmp",
            b"report.json.tmp",
            b"report.json~",
            b".backfill_state",
            b".duration_backfill_state",
            b".media_metadata_backfill_state",
            b".postgres_backfill_state.json",
            b"backfill_backups",
            b"video_ids_to_fix.json",
            b"report.html",
            b".json",
            b"json",
            b"",
        ] {
            assert!(ignored_report_name(name), "{}", name.escape_ascii());
        }
    }

    #[test]
    fn any_other_json_is_looked_at() {
        for name in [
            &b"how_tides_work_aB-3_xY9zQk.json"[..],
            b"_gD9HxgnbvY_20250901_134916.json",
            b"unknown_video_20250904_043146.json",
            b"quiz_night_in_dublin_aB-3_xY9zQk.json",
            b"slug_\xff.json",
            b"SHOUTED.JSON",
        ] {
            assert!(!ignored_report_name(name), "{}", name.escape_ascii());
        }
    }
}
