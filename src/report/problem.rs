//! Why a file in the reports folder is not a report we can deliver.

/// One fault that ends the reading of a file. `Display` says what is wrong in one line, free of
/// control characters; [`Problem::hint`] says what a person can do about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    #[error("the file is empty")]
    Empty,
    /// `line` counts from 1; `column` is serde_json's, in bytes.
    #[error("not JSON: {message} at line {line}, column {column}")]
    NotJson { line: usize, column: usize, message: String },
    #[error("JSON, but its root is not an object")]
    NotAnObject,
    #[error("a JSON object, but in none of the known report shapes")]
    NotAReport,
    #[error("no id of the content in the file or its name")]
    NoId,
    #[error("the id {value:?} cannot be used: {why}")]
    BadId { value: String, why: &'static str },
    #[error("JSON nested deeper than 128 levels")]
    TooDeep,
    #[error("JSON with far more in it than any report has")]
    TooComplex,
    #[error("its summaries take more than 4 MB as text and HTML")]
    TooLong,
}

impl Problem {
    /// What to do next, as a sentence for the log.
    pub fn hint(&self) -> &'static str {
        match self {
            Problem::Empty => "Let the pipeline write it again, or delete it.",
            Problem::NotJson { .. } => {
                "Let the pipeline write it again, or mend the JSON at that place."
            }
            Problem::NotAnObject | Problem::NotAReport => {
                "Move it out of the reports folder if it is not a report."
            }
            Problem::NoId => {
                "Add the id to the JSON (for YouTube: video_id), or process the video again."
            }
            Problem::BadId { .. } => {
                "Correct the id: 11 characters for YouTube, else letters, digits, '_' and '-' \
                 after one prefix."
            }
            Problem::TooDeep | Problem::TooComplex | Problem::TooLong => {
                "This is no output of the pipeline: find out what wrote it."
            }
        }
    }

    /// Whether the bytes may be the beginning of a file that is still being written: the pipeline
    /// streams its JSON to the final path (contract B.5), so a reader can see any prefix.
    pub fn may_be_unfinished(&self) -> bool {
        matches!(self, Problem::Empty | Problem::NotJson { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_one_line_even_when_the_id_is_hostile() {
        let problem = Problem::BadId { value: "a\nb\u{1b}[2J".to_owned(), why: "no" };
        assert!(!problem.to_string().contains(char::is_control), "{problem}");
    }
}
