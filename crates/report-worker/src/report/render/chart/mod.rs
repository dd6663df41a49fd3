//! The chart of a table as a picture: a bar for each label, sharp on every screen, on a light panel of its own, so that it
//! can be read wherever it lies.

mod canvas;
mod letters;

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use self::canvas::{Area, Canvas, Colour, SCALE};
use super::super::document::{Bar, Chart};
use super::super::locale::Locale;
use super::super::text::one_line;

/// The size on the page. A telephone shows it at two thirds.
const WIDTH: i32 = 520;
const HEIGHT: i32 = 230;

/// More bars than days in two months say nothing in so little room.
const MOST_BARS: usize = 62;

/// Letters, in pixels of the picture.
const LETTERS: i32 = 14 * SCALE;

/// Between the panel's edge and what it shows.
const MARGIN: i32 = 18 * SCALE;

/// Above and below a bar, for what is written there.
const LINE: i32 = 24 * SCALE;

const PANEL: Colour = [0xfa, 0xfb, 0xfc, 0xff];
const EDGE: Colour = [0xe0, 0xe4, 0xea, 0xff];
const BASELINE: Colour = [0xa9, 0xb1, 0xbd, 0xff];
const BAR: Colour = [0xb9, 0xc6, 0xf2, 0xff];
const MARKED: Colour = [0x35, 0x56, 0xd4, 0xff];
const INK: Colour = [0x16, 0x18, 0x1d, 0xff];
const FAINT: Colour = [0x45, 0x4c, 0x58, 0xff];

/// A drawn chart.
#[derive(Debug, Clone)]
pub(super) struct Drawn {
    /// Named by what is in it: the same picture has the same name in every mail (RFC 2045, 7).
    pub(super) content_id: String,
    pub(super) png: Vec<u8>,
    /// In pixels of the page.
    pub(super) width: i32,
    pub(super) height: i32,
    /// The labels that stand as numbers below their bars, since the picture's typeface cannot write them.
    pub(super) legend: Vec<String>,
}

/// Draws a chart; `None` where there is nothing to see.
pub(super) fn draw(chart: &Chart, locale: Locale) -> Option<Drawn> {
    if chart.bars.is_empty() || chart.bars.len() > MOST_BARS {
        return None;
    }
    let mut canvas = Canvas::new(WIDTH * SCALE, HEIGHT * SCALE);
    let whole = Area { x: 0, y: 0, width: WIDTH * SCALE, height: HEIGHT * SCALE };
    canvas.fill(whole, 10 * SCALE, EDGE);
    canvas.fill(whole.within(SCALE), 9 * SCALE, PANEL);
    let inner = whole.within(MARGIN);
    let slot = inner.width / i32::try_from(chart.bars.len()).ok()?;
    let scale = Scale::new(&chart.bars, Area { y: inner.y + LINE, height: inner.height - 2 * LINE, ..inner });
    let values = values(&chart.bars, slot, locale);
    let (labels, legend) = labels(&chart.bars);
    let every = every(&labels, slot);
    let marked = chart.bars.iter().position(|bar| bar.is_marked).unwrap_or_default();
    for (at, ((bar, value), label)) in chart.bars.iter().zip(values).zip(&labels).enumerate() {
        let left = inner.x + slot * i32::try_from(at).unwrap_or_default();
        let (top, height) = scale.bar(bar.sum.minor());
        let gap = (slot / 5).clamp(SCALE, 12 * SCALE);
        let wide = (slot - 2 * gap).clamp(SCALE, 64 * SCALE);
        let area = Area { x: left + (slot - wide) / 2, y: top, width: wide, height };
        canvas.fill(area, 3 * SCALE, if bar.is_marked { MARKED } else { BAR });
        let (middle, colour) = (left + slot / 2, if bar.is_marked { INK } else { FAINT });
        if let Some(value) = value {
            let below = bar.sum.minor() < 0;
            let line = if below { top + height + LETTERS } else { top - 5 * SCALE };
            let half = letters::width(&value, LETTERS) / 2;
            let inside = middle.clamp(inner.x + half, (inner.x + inner.width - half).max(inner.x + half));
            letters::write(&mut canvas, &value, LETTERS, inside, line, colour);
        }
        if at.abs_diff(marked).is_multiple_of(every) {
            let room = slot * i32::try_from(every).unwrap_or(1) - 4 * SCALE;
            let label = letters::fitted(label, LETTERS, room);
            letters::write(&mut canvas, &label, LETTERS, middle, inner.y + inner.height - 3 * SCALE, colour);
        }
    }
    canvas.fill(Area { y: scale.zero, height: SCALE / 2, ..inner }, 0, BASELINE);
    let png = canvas.png();
    let content_id = format!("chart-{}@closing-bell", HEXLOWER.encode(&Sha256::digest(&png)[..12]));
    Some(Drawn { content_id, png, width: WIDTH, height: HEIGHT, legend })
}

/// How high a sum is.
struct Scale {
    /// Where nothing is.
    zero: i32,
    /// So many minor units are so many pixels.
    whole: u128,
    pixels: u128,
    /// Sums are first shifted by this, so that the largest can be multiplied.
    shift: u32,
}

impl Scale {
    fn new(bars: &[Bar], area: Area) -> Self {
        let sums = || bars.iter().map(|bar| bar.sum.minor());
        let above = sums().max().unwrap_or_default().max(0).unsigned_abs();
        let below = sums().min().unwrap_or_default().min(0).unsigned_abs();
        let shift = 32_u32.saturating_sub((above.max(below)).leading_zeros());
        let pixels = u128::from(area.height.unsigned_abs());
        let whole = ((above >> shift) + (below >> shift)).max(1);
        let over = i32::try_from((above >> shift) * pixels / whole).unwrap_or_default();
        let zero = if above == 0 && below == 0 { area.height } else { over };
        Self { zero: area.y + zero, whole, pixels, shift }
    }

    /// The upper edge and the height of a bar. What is not nothing can be seen.
    fn bar(&self, minor: i128) -> (i32, i32) {
        let height = (minor.unsigned_abs() >> self.shift) * self.pixels / self.whole;
        let height = i32::try_from(height).unwrap_or_default().max(if minor == 0 { 0 } else { SCALE });
        if minor < 0 { (self.zero, height) } else { (self.zero - height, height) }
    }
}

/// What is written at each bar: its sum, where that fits at all of them; else only at the marked and at the highest.
fn values(bars: &[Bar], slot: i32, locale: Locale) -> Vec<Option<String>> {
    let texts: Vec<String> = bars.iter().map(|bar| locale.money(bar.sum)).collect();
    let widest = texts.iter().map(|text| letters::width(text, LETTERS)).max().unwrap_or_default();
    let apart = usize::try_from(widest / slot.max(1)).unwrap_or_default() + 1;
    let highest = (0..bars.len()).rev().max_by_key(|&at| bars[at].sum.minor());
    let marked = bars.iter().position(|bar| bar.is_marked).or(highest);
    let is_shown = |at: usize| {
        let beside = marked.is_some_and(|marked| marked.abs_diff(at) <= apart);
        widest <= slot - 4 * SCALE || marked == Some(at) || (highest == Some(at) && !beside)
    };
    let shown = texts.into_iter().zip(bars).enumerate();
    shown.map(|(at, (text, bar))| (bar.sum.minor() != 0 && is_shown(at)).then_some(text)).collect()
}

/// What is written below each bar, and what the numbers among it stand for.
fn labels(bars: &[Bar]) -> (Vec<String>, Vec<String>) {
    let mut legend = Vec::new();
    let labels = (1..)
        .zip(bars)
        .map(|(number, bar)| {
            let label = one_line(&bar.label);
            if letters::can_write(&label) {
                return label;
            }
            legend.push(format!("{number}: {label}"));
            number.to_string()
        })
        .collect();
    (labels, legend)
}

/// Every which label can be written without touching the next, if long ones are cut: a few letters of each say enough.
fn every(labels: &[String], slot: i32) -> usize {
    let least = |label: &String| letters::width(label, LETTERS).min(56 * SCALE) + 6 * SCALE;
    let widest = labels.iter().map(least).max().unwrap_or_default();
    usize::try_from((widest + slot - 1) / slot.max(1)).unwrap_or(1).max(1)
}
