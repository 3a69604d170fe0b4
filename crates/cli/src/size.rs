//! Sizes in settings: a number of bytes, or one with a unit.

/// Names of units, in lower case, and their bytes. As everywhere in Kubernetes and in ISO/IEC 80000, the names
/// without an `i` are powers of 1000.
const UNITS: [(&[&str], u64); 9] = [
    (&["", "b"], 1),
    (&["k", "kb"], 1_000),
    (&["m", "mb"], 1_000_000),
    (&["g", "gb"], 1_000_000_000),
    (&["t", "tb"], 1_000_000_000_000),
    (&["ki", "kib"], 1 << 10),
    (&["mi", "mib"], 1 << 20),
    (&["gi", "gib"], 1 << 30),
    (&["ti", "tib"], 1 << 40),
];

/// The units in which sizes are shown: the largest of which the size is a multiple.
const SHOWN: [(u64, &str); 6] = [
    (1 << 30, "GiB"),
    (1 << 20, "MiB"),
    (1 << 10, "KiB"),
    (1_000_000_000, "GB"),
    (1_000_000, "MB"),
    (1_000, "KB"),
];

/// Reads a size, for example `65536`, `64KiB`, `64 MB` or `1GiB`; capitals do not matter.
///
/// # Errors
/// When the text is not a whole number with a known unit, or the size is too large: a sentence with examples.
pub fn parse<T: TryFrom<u64>>(text: &str) -> Result<T, String> {
    let text = text.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let unit = unit.trim_start().to_ascii_lowercase();
    let unit = UNITS
        .iter()
        .find(|(names, _)| names.contains(&unit.as_str()));
    let (Some((_, bytes)), false) = (unit, number.is_empty()) else {
        return Err(
            "a size is a whole number of bytes, or has a unit, for example 65536, 512KiB, 64MiB or 1GiB"
                .to_owned(),
        );
    };
    let number = number.parse::<u64>().ok();
    let size = number.and_then(|number| number.checked_mul(*bytes));
    size.and_then(|size| T::try_from(size).ok())
        .ok_or_else(|| "the size is too large: it has to fit into 64 bits".to_owned())
}

/// The shortest text that `parse` reads as this size.
#[must_use]
pub fn show(bytes: u64) -> String {
    let unit = SHOWN
        .iter()
        .find(|(unit, _)| bytes > 0 && bytes.is_multiple_of(*unit));
    match unit {
        Some((unit, name)) => format!("{}{name}", bytes / unit),
        None => bytes.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_size_is_a_number_of_bytes_or_has_a_unit() {
        for (text, bytes) in [
            ("0", 0),
            ("65536", 65_536),
            ("64KiB", 65_536),
            ("64 kib", 65_536),
            ("64Ki", 65_536),
            ("512k", 512_000),
            ("64MB", 64_000_000),
            ("64MiB", 64 << 20),
            (" 1GiB ", 1 << 30),
            ("2TB", 2_000_000_000_000),
            ("7B", 7),
            ("18446744073709551615", u64::MAX),
        ] {
            assert_eq!(parse(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn text_that_is_no_size_is_rejected_with_examples() {
        for text in [
            "",
            "MiB",
            "-1",
            "1.5GiB",
            "64 megabytes",
            "0x10",
            "1_000",
            "1 000",
            "9e3",
            "64MiBs",
        ] {
            let why = parse::<u64>(text).expect_err(text);
            assert!(why.contains("64MiB"), "{text}: {why}");
        }
        for text in [
            "18446744073709551616",
            "17179869184GiB",
            "99999999999999999999TB",
        ] {
            let why = parse::<u64>(text).expect_err(text);
            assert!(why.contains("too large"), "{text}: {why}");
        }
        assert!(parse::<u32>("4GiB").is_err());
    }

    proptest! {
        #[test]
        fn a_shown_size_is_read_as_the_same_size(bytes: u64, unit in 0..60_u32) {
            for bytes in [bytes, bytes >> unit << unit, bytes / 1_000_000 * 1_000_000] {
                prop_assert_eq!(parse(&show(bytes)), Ok(bytes));
            }
        }
    }

    #[test]
    fn sizes_are_shown_in_the_largest_unit_that_fits() {
        for (bytes, text) in [
            (0, "0"),
            (100, "100"),
            (65_536, "64KiB"),
            (64 << 20, "64MiB"),
            (1 << 30, "1GiB"),
            (20_000_000, "20MB"),
            (1_025, "1025"),
        ] {
            assert_eq!(show(bytes), text);
        }
    }
}
