//! What somebody may have meant by a word that nobody knows.

/// The known word that is the nearest to this one, if it is near enough to be meant.
pub(crate) fn nearest<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let folded = |text: &str| text.trim().to_lowercase().replace(['_', ' '], "-").chars().collect::<Vec<_>>();
    let word = folded(word);
    // No word that is meant is this long, and the distance of two takes the product of their lengths.
    if word.len() > 100 {
        return None;
    }
    let distances = known.into_iter().map(|known| (distance(&word, &folded(known)), known));
    distances
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, _)| *distance <= word.len() / 3)
        .map(|(_, it)| it)
}

/// How many letters have to be put in, taken out, changed, or swapped with their neighbour.
fn distance(left: &[char], right: &[char]) -> usize {
    let mut rows: Vec<Vec<usize>> = vec![(0..=right.len()).collect()];
    for (i, letter) in left.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, other) in right.iter().enumerate() {
            let changed = rows[i][j] + usize::from(letter != other);
            let mut best = changed.min(rows[i][j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *letter == right[j - 1] && left[i - 1] == *other {
                best = best.min(rows[i - 1][j - 1] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[left.len()][right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_recognised_and_another_word_is_not() {
        let known = ["schedule", "sections", "skip_if_empty", "dry_run_until", "to"];
        for (word, meant) in [
            ("scedule", Some("schedule")),
            ("Sectoins", Some("sections")),
            ("skip-if-empty", Some("skip_if_empty")),
            ("dryrun_until", Some("dry_run_until")),
            ("recipients", None),
            ("", None),
            ("x", None),
        ] {
            assert_eq!(nearest(word, known), meant, "{word}");
        }
        assert_eq!(nearest(&"s".repeat(1_000_000), known), None);
    }
}
