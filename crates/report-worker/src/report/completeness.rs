//! The line at a report's end that says whether it is complete.

use super::build::Scene;
use super::words::fill;
use crate::domain::record::Kind;

/// `Complete as of …`, or everything that speaks against it.
pub(super) fn completeness(scene: &Scene<'_>) -> String {
    let (known, words) = (scene.completeness, &scene.words().completeness);
    let Some(compared_at) = known.compared_at else { return words.opening.to_owned() };
    let compared_at = scene.shown_moment(compared_at);
    if known.is_known(scene.now, scene.rules.zone) {
        return fill(words.complete, &[&compared_at]);
    }
    let mut doubts = Vec::new();
    if known.is_stale(scene.now, scene.rules.zone) {
        doubts.push(fill(words.stale, &[&compared_at]));
    }
    let counted: [(u64, &str, &str, &[&str]); 5] = [
        (known.left_different, words.left_different_one, words.left_different_many, &[&compared_at]),
        (known.unread, words.unread_one, words.unread_many, &[]),
        (known.unreadable, words.unreadable_one, words.unreadable_many, &[]),
        (known.unsettled, words.unsettled_one, words.unsettled_many, &[]),
        (known.set_aside, words.set_aside_one, words.set_aside_many, &[&compared_at]),
    ];
    for (count, one, many, values) in counted {
        match count {
            0 => {}
            1 => doubts.push(fill(one, values)),
            many_of_them => {
                let count = scene.locale.count(i64::try_from(many_of_them).unwrap_or(i64::MAX));
                doubts.push(fill(many, &[&[&*count], values].concat()));
            }
        }
    }
    if !known.left_out.is_empty() {
        let kinds: Vec<String> = known
            .left_out
            .iter()
            .map(|kind| match kind {
                Kind::Deal => words.deals,
                Kind::Invoice => words.invoices,
                Kind::Payment => words.payments,
            })
            .map(str::to_owned)
            .collect();
        doubts.push(fill(words.left_out, &[&scene.locale.list(&kinds)]));
    }
    fill(words.not_known, &[&doubts.join(scene.words().semicolon)])
}
