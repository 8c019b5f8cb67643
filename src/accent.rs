//! The colour of the page's button, links and icon, and what follows from it: a shade of it for dark pages, and what can be
//! read on it. Contrast is as WCAG 2.2 has it.

use std::fmt;

/// What the accent is seen against: `--card` of `style.css`, where colours are light and where they are dark.
const LIGHT: Colour = Colour([0xff, 0xff, 0xff]);
const DARK: Colour = Colour([0x1a, 0x23, 0x2c]);

const WHITE: Colour = Colour([0xff; 3]);
const BLACK: Colour = Colour([0; 3]);

/// WCAG's AA for text of usual size.
const ENOUGH: f64 = 4.5;

/// A colour that can be read on light pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accent(Colour);

/// Red, green and blue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Colour([u8; 3]);

// === impl Accent ===

impl Accent {
    /// Parses `#rrggbb`. `None` is another text, or too light a colour.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let digits =
            text.strip_prefix('#').filter(|it| it.len() == 6 && it.bytes().all(|it| it.is_ascii_hexdigit()))?;
        let [_, red, green, blue] = u32::from_str_radix(digits, 16).ok()?.to_be_bytes();
        let colour = Colour([red, green, blue]);
        (colour.contrast(LIGHT) >= ENOUGH).then_some(Self(colour))
    }

    /// What `style.css` says of its own accent, said of this one: it comes after it. `--accent` is the colour, in the dark
    /// scheme a shade of it, and `--on-accent` that of text on it.
    pub(crate) fn style(self) -> String {
        let rule = |accent: Colour| format!(":root{{--accent:{accent};--on-accent:{}}}", accent.text());
        format!("{}@media(prefers-color-scheme:dark){{{}}}", rule(self.0), rule(self.dark()))
    }

    /// As much white is mixed in as it needs to be read on dark pages.
    fn dark(self) -> Colour {
        let enough = |colour: &Colour| colour.contrast(DARK) >= ENOUGH;
        (0..=100).map(|percent| self.0.with_white(percent)).find(enough).unwrap_or(WHITE)
    }
}

impl fmt::Display for Accent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

// === impl Colour ===

impl Colour {
    /// From 1, the same, to 21, black on white.
    fn contrast(self, other: Self) -> f64 {
        let (one, other) = (self.luminance() + 0.05, other.luminance() + 0.05);
        one.max(other) / one.min(other)
    }

    /// From 0, black, to 1, white.
    fn luminance(self) -> f64 {
        let [red, green, blue] = self.0.map(|channel| {
            let channel = f64::from(channel) / 255.0;
            if channel <= 0.04045 { channel / 12.92 } else { ((channel + 0.055) / 1.055).powf(2.4) }
        });
        0.2126 * red + 0.7152 * green + 0.0722 * blue
    }

    /// Mixed with so many percent of white.
    fn with_white(self, percent: u16) -> Self {
        // Rounded down, it is never more than 255.
        let mixed = |channel: u8| (u16::from(channel) * (100 - percent) + 255 * percent) / 100;
        Self(self.0.map(|channel| u8::try_from(mixed(channel)).unwrap_or(u8::MAX)))
    }

    /// Black or white, whichever is read better on it.
    fn text(self) -> Self {
        if self.contrast(WHITE) >= self.contrast(BLACK) { WHITE } else { BLACK }
    }
}

impl fmt::Display for Colour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [red, green, blue] = self.0;
        write!(f, "#{red:02x}{green:02x}{blue:02x}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn colour(text: &str) -> Colour {
        let number = u32::from_str_radix(&text[1..], 16).unwrap().to_be_bytes();
        Colour([number[1], number[2], number[3]])
    }

    #[test]
    fn contrast_is_that_of_wcag() {
        for (one, other, contrast) in [
            ("#000000", "#ffffff", 21.0),
            ("#ffffff", "#ffffff", 1.0),
            ("#777777", "#ffffff", 4.48),
            ("#767676", "#ffffff", 4.54),
            ("#ff0000", "#ffffff", 4.0),
            ("#0000ff", "#ffffff", 8.59),
        ] {
            assert!((colour(one).contrast(colour(other)) - contrast).abs() < 0.005, "{one} {other}");
            assert!((colour(other).contrast(colour(one)) - contrast).abs() < 0.005, "{other} {one}");
        }
    }

    #[test]
    fn an_accent_is_six_digits_and_dark_enough() {
        for text in ["#0b66c3", "#0B66C3", "#000000", "#767676", "#c00000"] {
            assert_eq!(Accent::parse(text).unwrap().to_string(), text.to_lowercase());
        }
        for text in
            ["#777777", "#ffffff", "#ff0000", "#7cbcff", "0b66c3", "#0b6", "#0b66c3ff", "#+b66c3", "blue", "#", ""]
        {
            assert_eq!(Accent::parse(text), None, "{text}");
        }
    }

    #[test]
    fn the_style_says_what_is_read_on_what_in_either_scheme() {
        for (accent, dark) in
            [("#0b66c3", "#488cd2"), ("#000000", "#898989"), ("#c00000", "#d96666"), ("#4b7f4b", "#679367")]
        {
            let style = Accent::parse(accent).unwrap().style();
            let expected = format!(
                ":root{{--accent:{accent};--on-accent:#ffffff}}\
                 @media(prefers-color-scheme:dark){{:root{{--accent:{dark};--on-accent:#000000}}}}"
            );
            assert_eq!(style, expected);
        }
    }

    #[test]
    fn every_accent_can_be_read_in_either_scheme_and_so_can_what_stands_on_it() {
        let steps = || (0..=255_u8).step_by(15);
        for (red, green, blue) in steps().flat_map(|r| steps().flat_map(move |g| steps().map(move |b| (r, g, b)))) {
            let Some(accent) = Accent::parse(&Colour([red, green, blue]).to_string()) else { continue };
            let dark = accent.dark();
            for (one, other) in [(accent.0, LIGHT), (dark, DARK), (accent.0, accent.0.text()), (dark, dark.text())] {
                assert!(one.contrast(other) >= ENOUGH, "{accent}: {one} {other}");
            }
        }
    }

    #[test]
    fn the_grounds_are_those_of_the_style() {
        let style = include_str!("../static/style.css");
        let cards: Vec<_> = style.split("--card:").skip(1).map(|it| it.split(';').next().unwrap().trim()).collect();
        assert_eq!(cards, ["#fff", &DARK.to_string()]);
    }
}
