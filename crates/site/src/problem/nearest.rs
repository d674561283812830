//! "Did you mean": the known word that is nearest to an unknown one.

/// The candidate that is most like `word`, when one is like enough to be meant.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = word.to_lowercase();
    candidates
        .into_iter()
        .map(|candidate| {
            (
                strsim::damerau_levenshtein(&lower, &candidate.to_lowercase()),
                candidate,
            )
        })
        .filter(|(distance, candidate)| {
            *distance
                <= candidate
                    .chars()
                    .count()
                    .max(lower.chars().count())
                    .div_ceil(3)
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_recognised_and_a_stranger_is_not() {
        let known = ["balance", "stick", "web-01", "web-02"];
        assert_eq!(nearest("balanse", known), Some("balance"));
        assert_eq!(nearest("web-2", known), Some("web-02"));
        assert_eq!(nearest("kubernetes", known), None);
    }
}
