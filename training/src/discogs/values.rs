//! The formats of dates and durations in records.

use unicode_normalization::UnicodeNormalization;

/// A release date, as far as it is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Date {
    /// Year, 1000 to 9999.
    pub year: Option<i32>,
    /// Month, 1 to 12.
    pub month: Option<i32>,
    /// Day, 1 to 31.
    pub day: Option<i32>,
}

impl Date {
    /// Reads `YYYY`, `YYYY-MM`, `YYYY-MM-DD`; 00 and anything else that is not a date means unknown.
    pub fn read(text: &str) -> Self {
        let mut parts = text.trim().split('-');
        let mut next = |digits: usize, from: i32, to: i32| {
            let part = parts.next().filter(|part| part.len() == digits)?;
            let value = number(part)?;
            (from..=to).contains(&value).then_some(value)
        };
        let year = next(4, 1000, 9999);
        let month = year.and_then(|_| next(2, 1, 12));
        let day = month.and_then(|_| next(2, 1, 31));
        Date { year, month, day }
    }
}

/// Seconds in `m:ss` or `h:mm:ss`, or `None` if empty, unreadable, or of unknown unit. Fractions of a second are cut
/// (`4:45.5`, `0:06.45`). Also read is what editors have typed: parentheses, `m.ss` and other separators, primes, `5m30s`,
/// full-width digits.
pub fn duration(text: &str) -> Option<i32> {
    // Fast path for the usual format.
    let digit = |byte: u8| i32::from(byte.wrapping_sub(b'0'));
    let plain = match *text.as_bytes() {
        [m, b':', s, t] => Some([0, digit(m), digit(s), digit(t)]),
        [l, m, b':', s, t] => Some([digit(l), digit(m), digit(s), digit(t)]),
        _ => None,
    };
    if let Some([l, m, s, t]) = plain
        && [l, m, s, t].iter().all(|digit| *digit < 10)
    {
        return Some((10 * l + m) * 60 + 10 * s + t).filter(|&seconds| seconds > 0);
    }
    let text: String =
        text.nfkc().map(|letter| if letter == '′' || letter == '’' { '\'' } else { letter }).collect();
    // NFKC makes two primes of a double one.
    let text = text.replace(['"', '″'], "''");
    let text = text.trim().trim_start_matches(['(', '[', '~', ' ']).trim_end_matches([')', ']', '*', ' ']);
    let seconds = with_units(text).or_else(|| separated(text))?;
    (seconds > 0).then_some(seconds)
}

/// `1h02m03s`, `5m30s`, `5 min 30 sec`.
fn with_units(text: &str) -> Option<i32> {
    let mut rest = text;
    let mut seconds = 0i32;
    let mut last = i32::MAX;
    while !rest.is_empty() {
        let end = rest.find(|letter: char| !letter.is_ascii_digit())?;
        let (digits, after) = rest.split_at(end);
        let after = after.trim_start();
        let end = after.find(|letter: char| !letter.is_ascii_alphabetic()).unwrap_or(after.len());
        let (unit, after) = after.split_at(end);
        let size = match unit.to_ascii_lowercase().as_str() {
            "h" | "hr" | "hrs" => 3600,
            "m" | "min" | "mins" => 60,
            "s" | "sec" | "secs" => 1,
            _ => return None,
        };
        if digits.len() > 4 || size >= last {
            return None;
        }
        last = size;
        seconds = seconds.checked_add(number(digits)?.checked_mul(size)?)?;
        rest = after.trim_start_matches(['.', ',', ' ']);
    }
    (last < i32::MAX).then_some(seconds)
}

/// Numbers with separators between them.
fn separated(text: &str) -> Option<i32> {
    let text = text.trim_end_matches('\'');
    // Behind a colon or a prime, a point or comma begins the fraction of a second. Alone, it separates minutes and
    // seconds.
    let marks: &[char] = if text.contains([':', '\'', ';']) { &[':', '\'', ';'] } else { &['.', ','] };
    let mut parts: Vec<&str> = text.split(marks).map(str::trim).collect();
    // The unit of a single number is unknown.
    if !(2..=3).contains(&parts.len()) {
        return None;
    }
    let last = parts.pop()?;
    let (whole, fraction) = last.split_once(['.', ',']).unwrap_or((last, ""));
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    parts.push(whole);
    let mut seconds = 0i32;
    for (at, part) in parts.into_iter().enumerate() {
        // The second of two parts, and all but the first of three, have at most two digits.
        if part.is_empty() || part.len() > if at == 0 { 5 } else { 2 } {
            return None;
        }
        seconds = seconds.checked_mul(60)?.checked_add(number(part)?)?;
    }
    Some(seconds)
}

fn number(digits: &str) -> Option<i32> {
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        let date = |text| {
            let Date { year, month, day } = Date::read(text);
            (year, month, day)
        };
        assert_eq!(date("1999-03-00"), (Some(1999), Some(3), None));
        assert_eq!(date("1999"), (Some(1999), None, None));
        assert_eq!(date("2001-12-31"), (Some(2001), Some(12), Some(31)));
        assert_eq!(date("1999-00-12"), (Some(1999), None, None));
        for none in ["", "?", "0000", "199", "-1999", "19999", "19x9"] {
            assert_eq!(date(none), (None, None, None), "{none}");
        }
    }

    #[test]
    fn durations() {
        assert_eq!(duration("4:45"), Some(285));
        assert_eq!(duration("04:45"), Some(285));
        assert_eq!(duration("59:59"), Some(3599));
        // Seconds above 59 are accepted.
        assert_eq!((duration("1:75"), duration(" 1:75")), (Some(135), Some(135)));
        assert_eq!(duration("61:05"), Some(3665));
        assert_eq!(duration("1:01:05"), Some(3665));
        assert_eq!(duration(" (3:07) "), Some(187));
        assert_eq!(duration("3'07\""), Some(187));
        assert_eq!(
            (duration("3.07"), duration("1.02.03"), duration("3,07")),
            (Some(187), Some(3723), Some(187))
        );
        // Fractions of a second.
        for (text, seconds) in
            [("4:45.5", 285), ("0:06.45", 6), ("1:02:03.5", 3723), ("4:45,999", 285), ("3'07''5", 0)]
        {
            assert_eq!(duration(text), Some(seconds).filter(|&seconds| seconds > 0), "{text}");
        }
        // As typed by editors.
        for text in [
            "4：45",
            "４：４５",
            "4'45''",
            "4′45″",
            "4:45*",
            "4 : 45",
            "4m45s",
            "4 min 45 sec",
            "4;45",
            "~4:45",
        ] {
            assert_eq!(duration(text), Some(285), "{text}");
        }
        assert_eq!(
            (duration("1h02m03s"), duration("90s"), duration("5m")),
            (Some(3723), Some(90), Some(300))
        );
        for none in [
            "",
            "?",
            "0:00",
            "00:00",
            "45",
            "a:00",
            "/:11",
            "4:5x",
            "1:2:3:4",
            "99999999:00",
            "4:455",
            "4:45.x",
            "3m4m",
            "s",
            "1.2.3.4",
            "-3:07",
            "4-45",
            "99999h",
            "5.m",
        ] {
            assert_eq!(duration(none), None, "{none}");
        }
    }
}
