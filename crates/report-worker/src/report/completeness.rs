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
    match known.left_different {
        0 => {}
        1 => doubts.push(fill(words.left_different_one, &[&compared_at])),
        many => doubts.push(fill(words.left_different_many, &[&many.to_string(), &compared_at])),
    }
    match known.unread {
        0 => {}
        1 => doubts.push(words.unread_one.to_owned()),
        many => doubts.push(fill(words.unread_many, &[&many.to_string()])),
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
    fill(words.not_known, &[&doubts.join("; ")])
}
