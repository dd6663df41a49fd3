//! Statements over several rows at once.
//!
//! They come in a few sizes only, so that the engine prepares each of them once and knows it from then on.

/// How many rows a statement takes. With at most seven values in a row it stays far below the number of values that an
/// engine binds (SQLite 32,766; MySQL 65,535), and as a chain of conditions below the depth that SQLite parses (1,000).
const SIZES: [usize; 4] = [128, 16, 4, 1];

/// The rows in parts of these sizes, in their order.
pub(super) fn parts<T>(rows: &[T]) -> impl Iterator<Item = &[T]> {
    let mut rest = rows;
    std::iter::from_fn(move || {
        let size = SIZES.into_iter().find(|size| *size <= rest.len())?;
        let (part, after) = rest.split_at(size);
        rest = after;
        Some(part)
    })
}

/// `before`, then `row` as often as there are rows with `between` in the gaps, then `after`.
pub(super) fn statement<T>(rows: &[T], before: &str, row: &str, between: &str, after: &str) -> String {
    let mut sql = String::with_capacity(before.len() + rows.len() * (row.len() + between.len()) + after.len());
    sql.push_str(before);
    for index in 0..rows.len() {
        sql.push_str(if index == 0 { "" } else { between });
        sql.push_str(row);
    }
    sql.push_str(after);
    sql
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_in_one_part_of_a_known_size() {
        for count in 0..600 {
            let rows: Vec<usize> = (0..count).collect();
            let parts: Vec<&[usize]> = parts(&rows).collect();
            assert_eq!(parts.concat(), rows);
            assert!(parts.iter().all(|part| SIZES.contains(&part.len())));
            assert!(parts.len() <= count / 128 + 13, "{count} rows in {} parts", parts.len());
        }
        assert_eq!(statement(&[0; 3], "IN (", "?", ", ", ")"), "IN (?, ?, ?)");
    }
}
