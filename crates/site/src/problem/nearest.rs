//! "Did you mean": the known word that is nearest to an unknown one.

/// The candidate that is most like `word`, when one is like enough to be meant: a third of the shorter word
/// may differ, and one letter of any.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = word.to_lowercase();
    let distance = |candidate: &'a str| {
        let distance = strsim::damerau_levenshtein(&lower, &candidate.to_lowercase());
        let shorter = lower.chars().count().min(candidate.chars().count());
        (distance <= (shorter / 3).max(1)).then_some((distance, candidate))
    };
    candidates
        .into_iter()
        .filter_map(distance)
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
        assert_eq!(nearest("Web-01", known), Some("web-01"));
        assert_eq!(nearest("blaance", known), Some("balance"));
        assert_eq!(nearest("db-01", known), None);
        assert_eq!(nearest("kubernetes", known), None);
        assert_eq!(nearest("", known), None);
    }
}
