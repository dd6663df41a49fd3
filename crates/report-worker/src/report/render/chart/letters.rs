//! Text in a picture, in a typeface that is part of the program: no machine's own fonts, so the same everywhere.

use std::sync::LazyLock;

use ab_glyph::{Font, FontRef, GlyphId, PxScale, point};

use super::canvas::{COVERED, Canvas, Colour};

/// Latin, Greek and Cyrillic, with figures of one width.
static FACE: LazyLock<FontRef<'static>> = LazyLock::new(|| {
    FontRef::try_from_slice(epaint_default_fonts::UBUNTU_LIGHT).expect("the face is part of the program")
});

/// True if the face can write the text. What it has no letters for, what runs from right to left and what is put together
/// of several marks is left to those who can.
pub(super) fn can_write(text: &str) -> bool {
    let is_plain =
        |c: char| matches!(c, ' '..='\u{2FF}' | '\u{370}'..='\u{52F}' | '\u{1E00}'..='\u{20CF}' | '\u{2212}');
    text.chars().all(|c| is_plain(c) && (is_space(c) || FACE.glyph_id(c) != GlyphId(0)))
}

fn is_space(character: char) -> bool {
    matches!(character, ' ' | '\u{A0}' | '\u{202F}')
}

/// The letters of a text with the distance to each from the left, in pixels, and the width of all.
fn set(text: &str, size: i32) -> (Vec<(GlyphId, i32)>, i32) {
    let (mut letters, mut at, mut last) = (Vec::new(), 0, None);
    for character in text.chars() {
        let id = FACE.glyph_id(if is_space(character) { ' ' } else { character });
        let kern = last.map_or(0, |last| whole(FACE.kern_unscaled(last, id)));
        let place = at + kern;
        letters.push((id, place * size / units()));
        at = place + whole(FACE.h_advance_unscaled(id));
        last = Some(id);
    }
    (letters, at * size / units())
}

/// How wide a text is, in pixels, at a size in pixels.
pub(super) fn width(text: &str, size: i32) -> i32 {
    set(text, size).1
}

/// As much of a text as is no wider than that, with an ellipsis where something is missing.
pub(super) fn fitted(text: &str, size: i32, most: i32) -> String {
    if width(text, size) <= most {
        return text.to_owned();
    }
    let mut shown: Vec<char> = text.chars().collect();
    while shown.pop().is_some() {
        let fitted: String = shown.iter().collect::<String>().trim_end().to_owned() + "…";
        if width(&fitted, size) <= most {
            return fitted;
        }
    }
    String::new()
}

/// Writes a text whose middle is at `middle` and whose letters stand on `line`.
pub(super) fn write(canvas: &mut Canvas, text: &str, size: i32, middle: i32, line: i32, colour: Colour) {
    let (letters, wide) = set(text, size);
    // The library's size is from the lowest to the highest letter, ours is the typeface's.
    let scale = PxScale::from(exact(whole(FACE.height_unscaled()) * size / units()));
    for (id, at) in letters {
        let place = point(exact(middle - wide / 2 + at), exact(line));
        let Some(outline) = FACE.outline_glyph(id.with_scale_and_position(scale, place)) else { continue };
        let corner = outline.px_bounds().min;
        let (left, top) = (whole(corner.x), whole(corner.y));
        outline.draw(|x, y, coverage| {
            let [x, y] = [x, y].map(|at| i32::try_from(at).unwrap_or_default());
            canvas.cover(left + x, top + y, steps(coverage), colour);
        });
    }
}

/// The units that an em has in the face's own measure.
fn units() -> i32 {
    FACE.units_per_em().map_or(1_000, whole)
}

/// A whole number of the face's, which are floats only by type.
fn whole(number: f32) -> i32 {
    number as i32
}

/// A whole number as the library takes it; a picture has a few thousand pixels.
fn exact(number: i32) -> f32 {
    number as f32
}

/// How much of a pixel a letter covers, in [`COVERED`] steps: few enough that no machine's rounding can be seen.
#[expect(clippy::float_arithmetic, reason = "ink, not money")]
fn steps(coverage: f32) -> u32 {
    (coverage.clamp(0.0, 1.0) * COVERED as f32).round() as u32
}
