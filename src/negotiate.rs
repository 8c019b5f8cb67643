//! Which of what there is a client likes best, by `Accept`, `Accept-Language` and `Accept-Encoding`. All three are lists of
//! ranges, each with a quality.

use http::HeaderValue;

use crate::settings::Format;

/// As many ranges of a list, and as many of its bytes, as are looked at; what comes later is ignored. Browsers send up to
/// 20 in 200 bytes; a head has room for 30,000, and to look at those would cost more than the rest of the answer.
const MOST_RANGES: usize = 100;
const MOST_BYTES: usize = 2048;
/// A language range that is longer, in bytes, is no language's: RFC 5646, 4.4.1, knows none of more than 35.
const LONGEST_LANGUAGE: usize = 35;
/// The length of a script in a language tag, as in `zh-Hant`.
const SCRIPT: usize = 4;

/// A header that is a list, in one line or in several.
#[derive(Debug, Default)]
pub(crate) struct List<'r> {
    first: Option<&'r HeaderValue>,
    more: Vec<&'r HeaderValue>,
}

/// The content codings of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coding {
    /// As it is.
    Identity,
    /// `gzip`
    Gzip,
}

/// The media types of the maintenance page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Media {
    /// `text/html`
    Html,
    /// `application/json`
    Json,
    /// `application/problem+json`
    ProblemJson,
    /// `application/xml`
    Xml,
    /// `text/xml`
    TextXml,
    /// `application/problem+xml`
    ProblemXml,
    /// `text/plain`
    Text,
}

// === impl List ===

impl<'r> List<'r> {
    /// Takes one more line.
    pub(crate) fn add(&mut self, value: &'r HeaderValue) {
        if self.first.is_none() {
            self.first = Some(value);
        } else {
            self.more.push(value);
        }
    }

    /// Whether the header is not there.
    const fn is_missing(&self) -> bool {
        self.first.is_none()
    }

    /// The ranges, in order, with their qualities in thousandths. One that is not ASCII is passed over.
    fn ranges(&self) -> impl Iterator<Item = (&'r str, u32)> {
        let lines = self.first.iter().chain(&self.more).map(|it| it.as_bytes());
        // A line that is cut is too long with its comma, so the range that is cut is not taken.
        let lines = lines.map(|line| line.get(..MOST_BYTES).unwrap_or(line));
        let mut length = 0;
        let items = lines.flat_map(|line| line.split(|it| *it == b',')).take(MOST_RANGES).take_while(move |item| {
            length += item.len() + 1;
            length <= MOST_BYTES
        });
        items.filter(|item| item.is_ascii()).filter_map(|item| {
            let mut parts = item.split(|it| *it == b';').map(<[u8]>::trim_ascii);
            let range = str::from_utf8(parts.next()?).ok()?;
            Some((range, parts.find_map(quality).unwrap_or(1000)))
        })
    }
}

/// `q=0.5` is 500 thousandths. What is malformed counts as not wanted.
fn quality(parameter: &[u8]) -> Option<u32> {
    let [b'q' | b'Q', rest @ ..] = parameter else { return None };
    match rest.trim_ascii_start() {
        [] => Some(0),
        [b'=', value @ ..] => Some(thousandths(value.trim_ascii()).unwrap_or(0)),
        _ => None,
    }
}

/// RFC 9110, 12.4.2: `0` or `1`, with at most three digits after the point, and never above 1.
fn thousandths(value: &[u8]) -> Option<u32> {
    let (whole, fraction) = match value {
        [whole, b'.', fraction @ ..] => (whole, fraction),
        [whole] => (whole, [].as_slice()),
        _ => return None,
    };
    let mut sum = match whole {
        b'0' => 0,
        b'1' => 1000,
        _ => return None,
    };
    let mut unit = 100;
    for digit in fraction {
        // The fourth digit has no unit.
        sum += if unit == 0 { return None } else { char::from(*digit).to_digit(10)? * unit };
        unit /= 10;
    }
    (sum <= 1000).then_some(sum)
}

/// The content coding by `Accept-Encoding`, RFC 9110, 12.5.3: gzip where it is accepted and identity is not liked better.
#[must_use]
pub(crate) fn coding(list: &List<'_>) -> Coding {
    if list.is_missing() {
        return Coding::Identity;
    }
    let (mut gzip, mut identity, mut any) = (None, None, None);
    for (range, quality) in list.ranges() {
        if range.eq_ignore_ascii_case("gzip") || range.eq_ignore_ascii_case("x-gzip") {
            gzip = Some(quality);
        } else if range.eq_ignore_ascii_case("identity") {
            identity = Some(quality);
        } else if range == "*" {
            any = Some(quality);
        }
    }
    // `*` stands for whatever is not mentioned, identity too.
    let (gzip, identity) = (gzip.or(any).unwrap_or(0), identity.or(any));
    // Identity is acceptable unmentioned, but nothing says that it is liked. Where neither is wanted, it is sent all the
    // same: a page in a coding that was not asked for is better than none.
    if gzip > 0 && gzip >= identity.unwrap_or(0) { Coding::Gzip } else { Coding::Identity }
}

/// How much a format is liked, by the most specific of the ranges that match it.
#[derive(Clone, Copy)]
struct Wish {
    /// 0: by `*/*`; 1: by a wildcard such as `text/*`; 2: by name.
    specificity: u8,
    quality: u32,
    media: Media,
}

/// The media type by `Accept`. Where the client does not say what it wants, or nothing of it is there, `default` rules.
#[must_use]
pub(crate) fn media(list: &List<'_>, default: Format) -> Media {
    if list.is_missing() {
        return Media::usual(default);
    }
    // In the order that decides between equals.
    let mut wishes = [Format::Html, Format::Json, Format::Xml, Format::Text].map(Wish::none);
    for (range, quality) in list.ranges() {
        let (family, subtype) = range.split_once('/').unwrap_or((range, range));
        let named = Media::named(family, subtype);
        for wish in &mut wishes {
            let usual = Media::usual(wish.media.format());
            let (specificity, media) = match named {
                Some(media) if media.format() == usual.format() => (2, media),
                None if subtype == "*" && family == "*" => (0, usual),
                None if subtype == "*" && family.eq_ignore_ascii_case(usual.family()) => (1, usual),
                // XML is text too. Where text is not wanted, it is still no text.
                None if usual == Media::ProblemXml && quality > 0 && range.eq_ignore_ascii_case("text/*") => {
                    (1, Media::TextXml)
                }
                _ => continue,
            };
            wish.take(Wish { specificity, quality, media });
        }
        // What every browser says first, and nothing after it can change.
        if quality == 1000 && named == Some(Media::Html) {
            return Media::Html;
        }
    }
    let rank = |it: &Wish| (it.quality, it.specificity, it.specificity == 0 && it.media.format() == default);
    // Of equals the last is taken.
    let best = wishes.into_iter().rev().filter(|it| it.quality > 0).max_by_key(rank);
    best.map_or(Media::usual(default), |it| it.media)
}

/// The language by `Accept-Language`: which of `tags`, or `None` for `default`, which is used where the client says nothing,
/// wants none of them or does not mind. RFC 4647, 3.4, for each range, the best liked first.
#[must_use]
pub(crate) fn language<T: AsRef<str>>(list: &List<'_>, tags: &[T], default: &str) -> Option<usize> {
    if list.is_missing() {
        return None;
    }
    let mut excluded = Vec::new();
    excluded.extend(list.ranges().filter(|(_, quality)| *quality == 0).map(|(range, _)| range));
    let is_excluded = |tag: &str| excluded.iter().any(|range| covers(range, tag));
    let mut best = (0, None);
    for (range, quality) in list.ranges() {
        if quality > best.0 {
            if range == "*" && !is_excluded(default) {
                best = (quality, None);
            } else if let Some(at) = lookup(range, tags, |it| !is_excluded(it)) {
                best = (quality, Some(at));
            }
        }
    }
    best.1
}

/// Which of `tags` a language range finds: itself or else its beginnings, each also by its other name.
#[must_use]
pub(crate) fn lookup<T: AsRef<str>>(range: &str, tags: &[T], may_be: impl Fn(&str) -> bool) -> Option<usize> {
    let find = |range: &str| tags.iter().position(|it| it.as_ref().eq_ignore_ascii_case(range) && may_be(it.as_ref()));
    let mut rest = if range.len() > LONGEST_LANGUAGE { return None } else { range };
    loop {
        let found = find(rest).or_else(|| find(other_name(rest)?));
        if found.is_some() {
            return found;
        }
        rest = &rest[..rest.rfind('-')?];
        // What introduces a part goes with it.
        if let Some((before, [_])) = rest.rsplit_once('-').map(|(before, last)| (before, last.as_bytes())) {
            rest = before;
        }
    }
}

/// Whether a language range means a tag, or more than that.
fn covers(range: &str, tag: &str) -> bool {
    let begins = |range: &str| {
        let (start, rest) = tag.as_bytes().split_at_checked(range.len()).unwrap_or_default();
        start.eq_ignore_ascii_case(range.as_bytes()) && matches!(rest, [] | [b'-', ..])
    };
    begins(range) || other_name(range).is_some_and(begins)
}

/// What the language of a tag is called here, where the tag or one of its beginnings has another name. A script says which
/// language it is by itself.
#[must_use]
pub(crate) fn usual_name(tag: &str) -> Option<&'static str> {
    let mut rest = tag;
    loop {
        if rest.rsplit('-').next().is_some_and(|last| last.len() == SCRIPT) {
            return None;
        }
        let found = other_name(rest);
        if found.is_some() {
            return found;
        }
        rest = &rest[..rest.rfind('-')?];
    }
}

/// What a language range is called here that is old, or that says by a country which of two scripts is meant.
fn other_name(range: &str) -> Option<&'static str> {
    const NAMES: [(&str, &str); 8] = [
        ("no", "nb"),
        ("nn", "nb"),
        ("iw", "he"),
        ("in", "id"),
        ("zh", "zh-Hans"),
        ("zh-TW", "zh-Hant"),
        ("zh-HK", "zh-Hant"),
        ("zh-MO", "zh-Hant"),
    ];
    NAMES.iter().find(|(name, _)| range.eq_ignore_ascii_case(name)).map(|(_, other)| *other)
}

// === impl Media ===

impl Media {
    /// The type that a format has where nobody asks for another.
    const fn usual(format: Format) -> Self {
        match format {
            Format::Html => Self::Html,
            Format::Json => Self::ProblemJson,
            Format::Xml => Self::ProblemXml,
            Format::Text => Self::Text,
        }
    }

    /// The type that is sent for one that a client names.
    fn named(family: &str, subtype: &str) -> Option<Self> {
        let is = |other: &str, name: &str| family.eq_ignore_ascii_case(other) && subtype.eq_ignore_ascii_case(name);
        if is("text", "html") || is("application", "xhtml+xml") {
            Some(Self::Html)
        } else if is("application", "json") {
            Some(Self::Json)
        } else if is("application", "xml") {
            Some(Self::Xml)
        } else if is("text", "xml") {
            Some(Self::TextXml)
        } else if is("text", "plain") {
            Some(Self::Text)
        } else {
            let (_, suffix) = subtype.rsplit_once('+')?;
            if suffix.eq_ignore_ascii_case("json") {
                Some(Self::ProblemJson)
            } else {
                suffix.eq_ignore_ascii_case("xml").then_some(Self::ProblemXml)
            }
        }
    }

    /// The format in which it is written.
    #[must_use]
    pub(crate) const fn format(self) -> Format {
        match self {
            Self::Html => Format::Html,
            Self::Json | Self::ProblemJson => Format::Json,
            Self::Xml | Self::TextXml | Self::ProblemXml => Format::Xml,
            Self::Text => Format::Text,
        }
    }

    /// What stands before the slash.
    const fn family(self) -> &'static str {
        match self {
            Self::Html | Self::Text | Self::TextXml => "text",
            Self::Json | Self::ProblemJson | Self::Xml | Self::ProblemXml => "application",
        }
    }
}

// === impl Wish ===

impl Wish {
    const fn none(format: Format) -> Self {
        Self { specificity: 0, quality: 0, media: Media::usual(format) }
    }

    /// Takes the other one where it rules: a range that is more specific, of equal ones that with the better quality,
    /// and then that with the usual type.
    fn take(&mut self, other: Self) {
        let rank = |it: &Self| (it.specificity, it.quality, it.media == Media::usual(it.media.format()));
        if rank(&other) > rank(self) {
            *self = other;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(lines: &[&str]) -> Vec<HeaderValue> {
        lines.iter().map(|line| HeaderValue::from_str(line).unwrap()).collect()
    }

    fn list(values: &[HeaderValue]) -> List<'_> {
        let mut list = List::default();
        values.iter().for_each(|it| list.add(it));
        list
    }

    fn coding_of(lines: &[&str]) -> Coding {
        coding(&list(&values(lines)))
    }

    fn media_of(lines: &[&str], default: Format) -> Media {
        media(&list(&values(lines)), default)
    }

    fn language_of<'t>(lines: &[&str], tags: &[&'t str]) -> Option<&'t str> {
        language(&list(&values(lines)), tags, "en").map(|at| tags[at])
    }

    #[test]
    fn accept_encoding_decides_with_its_qualities() {
        for accept in [
            "gzip",
            "GZIP",
            "x-gzip",
            "br, gzip;q=0.1",
            "*",
            "gzip;q=0.5, identity;q=0.5",
            "deflate, gzip;q=1.0, *;q=0.5",
            "gzip ; q=0.001",
            "gzip;q=0.1, identity;q=0",
            "gzip;q=0.1, *;q=0",
            "identity;q=0, *",
            "*;q=0.5, identity;q=0.4",
        ] {
            assert_eq!(coding_of(&[accept]), Coding::Gzip, "{accept}");
        }
        for accept in [
            "",
            "br",
            "identity",
            "gzip;q=0",
            "gzip;q=0.000",
            "*;q=0",
            "gzip;q=0, *",
            "gzip;q=0.5, identity",
            "gzip;q=0.5, *",
            "gzip;q=0.5, *;q=1",
            "*;q=0.5, identity",
            "identity;q=0",
            "identity;q=0, *;q=0",
            "br, *;q=0",
            "gzip;q=2",
            "gzip;q=x",
            "gzip;q=0.0001",
        ] {
            assert_eq!(coding_of(&[accept]), Coding::Identity, "{accept}");
        }
    }

    #[test]
    fn several_lines_are_one_list() {
        assert_eq!(coding_of(&["br", "deflate", "gzip"]), Coding::Gzip);
        assert_eq!(coding_of(&[]), Coding::Identity);
        assert_eq!(media_of(&["application/json;q=0.5", "text/plain"], Format::Html), Media::Text);
        assert_eq!(language_of(&["fr;q=0.5", "de"], &["fr", "de"]), Some("de"));
    }

    #[test]
    fn a_quality_is_a_number_from_0_to_1_with_three_digits() {
        for (text, expected) in [
            ("q=1", Some(1000)),
            ("Q = 1.000", Some(1000)),
            ("q=0", Some(0)),
            ("q=0.", Some(0)),
            ("q=0.5", Some(500)),
            ("q=0.25", Some(250)),
            ("q=0.001", Some(1)),
            ("q=1.001", Some(0)),
            ("q=2", Some(0)),
            ("q=.5", Some(0)),
            ("q=0.0001", Some(0)),
            ("q=0.5x", Some(0)),
            ("q=-1", Some(0)),
            ("q=\u{0661}", Some(0)),
            ("q=", Some(0)),
            ("q", Some(0)),
            ("level=1", None),
            ("level", None),
            ("quality=0", None),
            ("", None),
        ] {
            assert_eq!(quality(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn accept_decides_by_quality_then_by_what_is_more_specific_then_by_order() {
        for (accept, expected) in [
            // Browsers.
            ("text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8", Media::Html),
            ("text/html, application/xhtml+xml, image/jxr, */*", Media::Html),
            ("image/avif,image/webp,image/apng,*/*;q=0.8", Media::Html),
            ("application/xhtml+xml", Media::Html),
            // API clients.
            ("application/json", Media::Json),
            ("application/json, text/plain, */*", Media::Json),
            ("application/json, text/javascript, */*; q=0.01", Media::Json),
            ("application/problem+json", Media::ProblemJson),
            ("application/vnd.api+json", Media::ProblemJson),
            ("application/json, application/problem+json", Media::ProblemJson),
            ("application/json, application/problem+json;q=0.9", Media::Json),
            ("Application/JSON;charset=utf-8", Media::Json),
            ("application/*", Media::ProblemJson),
            ("application/xml", Media::Xml),
            ("text/xml", Media::TextXml),
            ("application/soap+xml, text/xml;q=0.5", Media::ProblemXml),
            ("application/problem+xml", Media::ProblemXml),
            ("application/xml, application/json", Media::Json),
            ("application/xml, application/json;q=0.9", Media::Xml),
            ("text/plain", Media::Text),
            ("text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2", Media::Html),
            // The most specific range gives the quality.
            ("text/*;q=0.9, text/html;q=0.1", Media::TextXml),
            ("text/html;q=0.1, */*", Media::ProblemJson),
            ("application/json;q=0.1, */*;q=0.1", Media::Json),
            ("*/*;q=0.5, application/xml;q=0.5", Media::Xml),
            ("text/*, application/json", Media::Json),
            ("text/*", Media::Html),
            ("text/*, application/*;q=0.9, text/html;q=0.1, text/plain;q=0.1", Media::TextXml),
            ("TEXT/*;q=0.9, application/*;q=0.9, text/html;q=0, application/json;q=0", Media::ProblemXml),
            // What is excluded.
            ("text/html;q=0, */*", Media::ProblemJson),
            ("text/html;q=0, text/*", Media::TextXml),
            ("text/html;q=0, text/xml;q=0, text/*", Media::Text),
            ("text/*;q=0, application/json;q=0, */*", Media::ProblemXml),
            ("application/xhtml+xml, text/html;q=0, application/json;q=0.9", Media::Html),
            ("text/html;q, text/plain", Media::Text),
            ("text/html;q=0, application/json;q=0, application/xml;q=0, */*", Media::Text),
            ("application/json;q=0, application/problem+json", Media::ProblemJson),
            ("application/json;q=2, text/plain;q=0.1", Media::Text),
            // Nothing is left.
            ("", Media::Html),
            ("*/*", Media::Html),
            ("*", Media::Html),
            ("image/png", Media::Html),
            ("text/html;q=0", Media::Html),
            ("*/*;q=0", Media::Html),
            ("text/event-stream", Media::Html),
            ("json", Media::Html),
            ("/, //, ;, ,,, a/b/c, +json/+", Media::Html),
        ] {
            assert_eq!(media_of(&[accept], Format::Html), expected, "{accept}");
        }
    }

    #[test]
    fn the_default_format_is_for_clients_that_do_not_say_what_they_want() {
        for (format, usual) in [
            (Format::Html, Media::Html),
            (Format::Json, Media::ProblemJson),
            (Format::Xml, Media::ProblemXml),
            (Format::Text, Media::Text),
        ] {
            assert_eq!(media_of(&[], format), usual);
            for accept in ["", "*/*", "*/*;q=0.1", "image/png", "image/png, */*;q=0.5", "text/css;q=x"] {
                assert_eq!(media_of(&[accept], format), usual, "{accept}");
            }
            for accept in ["text/html", "text/html, */*", "text/*;q=0.9, */*;q=0.1"] {
                assert_eq!(media_of(&[accept], format), Media::Html, "{accept}");
            }
        }
        assert_eq!(media_of(&["text/plain;q=0, */*"], Format::Text), Media::Html);
        assert_eq!(media_of(&["text/plain;q=0.5, */*"], Format::Text), Media::Html);
    }

    #[test]
    fn accept_language_finds_the_nearest_language_that_is_there() {
        let tags = ["ar", "en", "fr", "he", "id", "nb", "pt", "pt-BR", "zh-Hans", "zh-Hant"];
        for (accept, expected) in [
            ("fr", Some("fr")),
            ("FR-ca", Some("fr")),
            ("fr-CA, fr;q=0.9, en;q=0.5", Some("fr")),
            ("en;q=0.5, fr-CA", Some("fr")),
            ("en, fr", Some("en")),
            ("fr, en", Some("fr")),
            ("xx, en;q=0.1", Some("en")),
            ("pt-BR", Some("pt-BR")),
            ("pt-br", Some("pt-BR")),
            ("pt-PT", Some("pt")),
            ("pt-BR-x-a", Some("pt-BR")),
            ("ar-u-nu-latn", Some("ar")),
            // Other names.
            ("no", Some("nb")),
            ("nn-NO", Some("nb")),
            ("iw-IL", Some("he")),
            ("in", Some("id")),
            ("zh", Some("zh-Hans")),
            ("zh-CN", Some("zh-Hans")),
            ("zh-SG", Some("zh-Hans")),
            ("zh-TW", Some("zh-Hant")),
            ("zh-hk", Some("zh-Hant")),
            ("zh-MO", Some("zh-Hant")),
            ("zh-Hant-HK", Some("zh-Hant")),
            ("zh-Hans-CN", Some("zh-Hans")),
            // What is excluded.
            ("fr;q=0, en", Some("en")),
            ("fr-CA, fr;q=0, en;q=0.1", Some("en")),
            ("fr-CA;q=0, fr", Some("fr")),
            ("fr, fr;q=0", None),
            ("zh;q=0, zh-TW, en;q=0.1", Some("en")),
            ("no;q=0, nb, en;q=0.1", Some("en")),
            ("fr;q=x, en;q=0.1", Some("en")),
            ("fr;q, en;q=0.1", Some("en")),
            // What is not ASCII is passed over alone.
            ("é, fr", Some("fr")),
            ("fr;x=é, en", Some("en")),
            // Whatever there is.
            ("*", None),
            ("*, fr;q=0.5", None),
            ("*, en;q=0, fr;q=0.5", Some("fr")),
            ("*, en-GB;q=0, fr;q=0.5", None),
            ("*, en;q=0", None),
            ("fr, *;q=0.5", Some("fr")),
            ("xx", None),
            ("", None),
            ("f", None),
            ("-", None),
            ("-fr", None),
            ("x-fr", None),
            ("fr_CA", None),
        ] {
            assert_eq!(language_of(&[accept], &tags), expected, "{accept}");
        }
        assert_eq!(language_of(&["zh-TW"], &["zh-Hans"]), Some("zh-Hans"));
        assert_eq!(language_of(&["zh-TW"], &["zh"]), Some("zh"));
        assert_eq!(language_of(&["fr"], &["fr-CA"]), None);
    }

    #[test]
    fn a_long_list_is_looked_at_in_part() {
        let ranges = |number| "xx,".repeat(number);
        let bytes = |number| format!("xx{},", ";".repeat(number - 3));
        for (lines, expected) in [
            (vec![format!("{}fr", ranges(MOST_RANGES - 1))], Some("fr")),
            (vec![format!("{}fr", ranges(MOST_RANGES))], None),
            (vec!["xx".to_owned(); MOST_RANGES - 1], Some("fr")),
            (vec!["xx".to_owned(); MOST_RANGES], None),
            (vec![format!("{}fr", bytes(MOST_BYTES - 3))], Some("fr")),
            (vec![format!("{}fr", bytes(MOST_BYTES - 2))], None),
            // A range that is cut is not half of it.
            (vec![format!("{}fr-CA;q=0.1", bytes(MOST_BYTES - 3))], None),
            (vec![bytes(MOST_BYTES / 2); 2], None),
            (vec![format!("fr,{}", bytes(60_000))], Some("fr")),
            (vec![format!("fr;q=0.1,{},en", bytes(60_000)), "en".to_owned()], Some("fr")),
        ] {
            let lines: Vec<_> = lines.iter().map(String::as_str).chain(["fr"]).collect();
            let shown: String = lines.join(" | ").chars().take(40).collect();
            assert_eq!(language_of(&lines, &["fr", "en"]), expected, "{shown}");
        }
        assert_eq!(language_of(&[&format!("fr{}", "-a".repeat(16))], &["fr"]), Some("fr"));
        assert_eq!(language_of(&[&format!("fr{}", "-a".repeat(17))], &["fr"]), None);
    }
}
