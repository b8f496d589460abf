//! The formats of dates and durations in records.

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

/// Seconds in `m:ss` or `h:mm:ss` (also with a fraction, in parentheses, or with other separators that editors have
/// used), or `None` if empty or unreadable.
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
    let text = text.trim().trim_start_matches(['(', '[', '~']).trim_end_matches([')', ']']);
    if text.is_empty() {
        return None;
    }
    let mut seconds = 0i32;
    let mut count = 0;
    for part in text.split([':', '.', '\'', ';', ',']) {
        let part = part.trim_end_matches('"');
        // The second of two parts, and all but the first of three, have at most two digits.
        if part.is_empty() || part.len() > if count == 0 { 5 } else { 2 } || count == 3 {
            return None;
        }
        seconds = seconds.checked_mul(60)?.checked_add(number(part)?)?;
        count += 1;
    }
    // The unit of a single number is unknown.
    (count >= 2 && seconds > 0).then_some(seconds)
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
        assert_eq!(duration("3.07"), Some(187));
        for none in
            ["", "?", "0:00", "00:00", "45", "a:00", "/:11", "4:5x", "1:2:3:4", "99999999:00", "4:455"]
        {
            assert_eq!(duration(none), None, "{none}");
        }
    }
}
