//! The ids that an asked-for id can mean.

/// The id itself, and without `yt:`: the older generation wrote YouTube's ids with it, this one
/// keeps them bare (contract G.2, J.1). None of what has a NUL: no id does, and not every database
/// can be asked for one.
pub(super) fn readings(id: &str) -> impl Iterator<Item = &str> {
    let bare = id.strip_prefix("yt:").filter(|bare| !bare.is_empty());
    std::iter::once(id).chain(bare).filter(|id| !id.contains('\0'))
}

#[cfg(test)]
mod tests {
    #[test]
    fn only_youtubes_prefix_may_be_left_out() {
        for (id, readings) in [
            ("yt:a", &["yt:a", "a"][..]),
            ("a", &["a"]),
            ("reddit:a", &["reddit:a"]),
            ("yt:", &["yt:"]),
            ("yt:\0", &[]),
        ] {
            assert_eq!(super::readings(id).collect::<Vec<_>>(), readings, "{id}");
        }
    }
}
