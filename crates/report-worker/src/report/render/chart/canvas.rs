//! Pixels with a palette, and the PNG they become. Whole numbers only, so that every machine makes the same bytes.

use std::collections::BTreeMap;

use png::{BitDepth, ColorType, Compression, Encoder, Filter, PixelDimensions, Unit};

/// Red, green, blue, and how opaque.
pub(super) type Colour = [u8; 4];

/// Nothing.
const CLEAR: Colour = [0, 0, 0, 0];

/// A pixel is covered in so many steps.
pub(super) const COVERED: u32 = 16;

/// How many pixels of a picture are one of a page, so that it is sharp on every screen.
pub(super) const SCALE: i32 = 2;

/// Pixels per metre that say the same (96 of a page are an inch).
const PER_METRE: u32 = 7_559;

/// A picture in the making.
pub(super) struct Canvas {
    width: i32,
    height: i32,
    pixels: Vec<Colour>,
}

/// A rectangle in pixels, from its upper left corner.
#[derive(Clone, Copy)]
pub(super) struct Area {
    pub(super) x: i32,
    pub(super) y: i32,
    pub(super) width: i32,
    pub(super) height: i32,
}

impl Area {
    /// The area without so much of it on each side.
    pub(super) fn within(self, margin: i32) -> Self {
        let (width, height) = (self.width - 2 * margin, self.height - 2 * margin);
        Self { x: self.x + margin, y: self.y + margin, width, height }
    }
}

impl Canvas {
    pub(super) fn new(width: i32, height: i32) -> Self {
        let size = usize::try_from(width * height).unwrap_or_default();
        Self { width, height, pixels: vec![CLEAR; size] }
    }

    /// Lays a colour over a pixel that is covered by it in so many of [`COVERED`] steps.
    pub(super) fn cover(&mut self, x: i32, y: i32, covered: u32, colour: Colour) {
        let is_inside = (0..self.width).contains(&x) && (0..self.height).contains(&y);
        let at = usize::try_from(y * self.width + x).unwrap_or_default();
        let Some(pixel) = self.pixels.get_mut(at).filter(|_| is_inside) else { return };
        let [red, green, blue, below] = *pixel;
        let covered = covered.min(COVERED);
        if below == 0 {
            let opaque = u32::from(colour[3]) * covered / COVERED;
            *pixel = [colour[0], colour[1], colour[2], u8::try_from(opaque).unwrap_or(u8::MAX)];
            return;
        }
        let mixed = |below: u8, above: u8| {
            let mixed = u32::from(below) * (COVERED - covered) + u32::from(above) * covered;
            u8::try_from(mixed / COVERED).unwrap_or(u8::MAX)
        };
        *pixel = [mixed(red, colour[0]), mixed(green, colour[1]), mixed(blue, colour[2]), below];
    }

    /// Fills an area whose corners are round.
    pub(super) fn fill(&mut self, area: Area, radius: i32, colour: Colour) {
        let radius = radius.min(area.width / 2).min(area.height / 2).max(0);
        let is_round = |at: i32, length: i32| at < radius || at >= length - radius;
        for y in 0..area.height {
            for x in 0..area.width {
                let in_corner = is_round(x, area.width) && is_round(y, area.height);
                let covered = if in_corner { in_corners(x, y, area, radius) } else { COVERED };
                self.cover(area.x + x, area.y + y, covered, colour);
            }
        }
    }

    /// The picture as PNG.
    pub(super) fn png(&self) -> Vec<u8> {
        let (mut palette, mut colours, mut last) = (BTreeMap::new(), Vec::new(), (CLEAR, 0));
        let mut indices = Vec::with_capacity(self.pixels.len());
        for &pixel in &self.pixels {
            if pixel != last.0 || colours.is_empty() {
                let at = *palette.entry(pixel).or_insert_with(|| {
                    colours.push(pixel);
                    colours.len() - 1
                });
                last = (pixel, at);
            }
            indices.push(u8::try_from(last.1).unwrap_or_default());
        }
        let (width, height) = (self.width.unsigned_abs(), self.height.unsigned_abs());
        let mut png = Vec::new();
        let mut encoder = Encoder::new(&mut png, width, height);
        encoder.set_compression(Compression::Fast);
        // Most rows are like the one above, and this kind of compression is good at nothing but nothing.
        encoder.set_filter(Filter::Up);
        encoder.set_depth(BitDepth::Eight);
        encoder.set_pixel_dims(Some(PixelDimensions { xppu: PER_METRE, yppu: PER_METRE, unit: Unit::Meter }));
        let bytes = if colours.len() <= 256 {
            encoder.set_color(ColorType::Indexed);
            encoder.set_palette(colours.iter().flat_map(|colour| colour[..3].to_vec()).collect::<Vec<_>>());
            encoder.set_trns(colours.iter().map(|colour| colour[3]).collect::<Vec<_>>());
            indices
        } else {
            encoder.set_color(ColorType::Rgba);
            self.pixels.concat()
        };
        let written = encoder.write_header().and_then(|mut writer| {
            writer.write_image_data(&bytes)?;
            writer.finish()
        });
        written.expect("the picture has as many pixels as its header says, and a vector takes every byte");
        png
    }
}

/// In how many of [`COVERED`] points a pixel lies within the round corners of an area.
fn in_corners(x: i32, y: i32, area: Area, radius: i32) -> u32 {
    // In eighths of a pixel: how far a point lies beyond the centre of its corner's circle.
    let beyond = |at: i32, length: i32| (radius * 8 - at).max(at - (length - radius) * 8).max(0);
    let points = [1, 3, 5, 7];
    let inside = points.iter().flat_map(|dy| points.map(|dx| (dx, *dy))).filter(|(dx, dy)| {
        let (across, down) = (beyond(x * 8 + dx, area.width), beyond(y * 8 + dy, area.height));
        across * across + down * down <= radius * radius * 64
    });
    u32::try_from(inside.count()).unwrap_or(COVERED)
}
