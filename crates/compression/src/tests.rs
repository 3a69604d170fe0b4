use std::io::{Read as _, Write as _};

use flate2::{Decompress, FlushDecompress};
use proptest::prelude::*;

use super::*;

fn codings() -> Vec<Arc<dyn ContentCoding>> {
    let all = [Compress::Auto, Compress::Always].map(Compression::new);
    let sample = b"data: {\"name\":\"some text that is in a dictionary\"}\n\n";
    let dictionary = Dictionary::of_samples([&sample[..]]).unwrap();
    let dcz: Arc<dyn ContentCoding> = Arc::new(Dcz::new(dictionary));
    all.map(|all| all.gzip).into_iter().chain([dcz]).collect()
}

/// What a client has once these bytes have arrived, without an end of the body.
fn decoded(coding: &dyn ContentCoding, body: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    if coding.name() == "dcz" {
        let sample = b"data: {\"name\":\"some text that is in a dictionary\"}\n\n";
        let dictionary = Dictionary::of_samples([&sample[..]]).unwrap();
        let (head, frames) = body.split_at(40);
        assert_eq!(head[8..], *dictionary.hash());
        let decoder =
            ::zstd::stream::write::Decoder::with_dictionary(&mut text, dictionary.bytes());
        let mut decoder = decoder.unwrap();
        decoder.write_all(frames).unwrap();
        decoder.flush().unwrap();
        drop(decoder);
        return text;
    }
    let mut decompress = Decompress::new_gzip(15);
    let mut piece = vec![0; 1 << 16];
    loop {
        let (before_in, before_out) = (decompress.total_in(), decompress.total_out());
        let rest = &body[usize::try_from(before_in).unwrap()..];
        decompress
            .decompress(rest, &mut piece, FlushDecompress::Sync)
            .unwrap();
        let written = usize::try_from(decompress.total_out() - before_out).unwrap();
        text.extend_from_slice(&piece[..written]);
        if decompress.total_in() == before_in && written == 0 {
            return text;
        }
    }
}

fn text() -> impl Strategy<Value = Vec<u8>> {
    let repetitive = ("[a-z]{1,20}", 0..4_000_usize).prop_map(|(word, n)| word.repeat(n).into());
    let random = prop::collection::vec(any::<u8>(), 0..2_000);
    prop_oneof![3 => random, 3 => repetitive, 1 => large()]
}

fn large() -> impl Strategy<Value = Vec<u8>> {
    let sizes = prop_oneof![
        Just(255_usize),
        Just(256),
        Just(LARGE_TEXT),
        Just(65_535),
        Just(65_536),
        Just(200_000),
        Just((1 << 20) + 1),
    ];
    (sizes, any::<u64>(), any::<bool>()).prop_map(|(size, seed, is_random)| {
        let mut state = seed | 1;
        let byte = |_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            if is_random {
                state.to_be_bytes()[0]
            } else {
                b'a'
            }
        };
        (0..size).map(byte).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Each of them at once, so that no event waits for the next one.
    #[test]
    fn blocks_in_any_order_decode_to_their_texts_as_soon_as_they_arrive(
        texts in prop::collection::vec(text(), 1..6)
    ) {
        for coding in codings() {
            let mut body = coding.opening().to_vec();
            let mut expected = Vec::new();
            for text in &texts {
                coding.block(text, &mut body);
                expected.extend_from_slice(text);
                prop_assert!(decoded(&*coding, &body) == expected, "{}", coding.name());
            }
            // Some whole bodies, too, and the same block by another stream.
            let again: Vec<u8> = [coding.opening(), coding.shared_block(&texts[0])].concat();
            prop_assert!(decoded(&*coding, &again) == texts[0]);
        }
    }

    #[test]
    fn a_block_is_never_longer_than_its_text_and_a_few_bytes(text in text()) {
        for coding in codings() {
            let mut block = Vec::new();
            coding.block(&text, &mut block);
            let most = text.len() + 12 + 12 * (text.len() / 65_535);
            prop_assert!(block.len() <= most, "{} {} {}", coding.name(), block.len(), text.len());
        }
    }
}

#[test]
fn a_datastar_fragment_takes_a_fifth_of_its_bytes_or_less_and_a_short_event_a_few_more() {
    let row = |n: u32| {
        let (price, volume) = (n * 7_919 % 1_000, n * 104_729 % 99_991);
        format!(
            "data: elements <tr id=\"row-{n}\"><td class=\"name\">Share {n}</td>\
             <td class=\"price\">{price}.50</td><td class=\"volume\">{volume}</td></tr>\n"
        )
    };
    let rows: String = (0..30).map(row).collect();
    let fragment = format!("event: datastar-patch-elements\n{rows}id: 5-1\n\n");
    let coding = Compression::new(Compress::Auto).gzip;
    let length = |text: &str| {
        let mut block = Vec::new();
        coding.block(text.as_bytes(), &mut block);
        block.len()
    };
    assert!(length(&fragment) * 5 <= fragment.len());
    assert_eq!(length(": ping\n"), 7 + 10);
}

#[test]
fn the_header_and_stored_blocks_are_as_other_decoders_read_them() {
    let gzip = Gzip::new(usize::MAX);
    let mut body = gzip.opening().to_vec();
    gzip.block(b"data: x\n\n", &mut body);
    // An empty last block and the trailer end the member.
    body.extend_from_slice(&[1, 0, 0, 0xFF, 0xFF]);
    let mut crc = flate2::Crc::new();
    crc.update(b"data: x\n\n");
    body.extend_from_slice(&crc.sum().to_le_bytes());
    body.extend_from_slice(&9_u32.to_le_bytes());
    let mut text = String::new();
    let mut decoder = flate2::read::GzDecoder::new(&body[..]);
    decoder.read_to_string(&mut text).unwrap();
    assert_eq!(text, "data: x\n\n");
}

#[test]
fn a_client_gets_gzip_if_it_names_that() {
    let compression = Compression::new(Compress::Auto);
    for (accepted, expected) in [
        ("gzip, deflate, br, zstd", Some("gzip")),
        ("X-GZIP;q=0.1", Some("gzip")),
        ("zstd, gzip;q=0", None),
        ("br, identity", None),
        ("", None),
    ] {
        let values = [accepted.as_bytes()].into_iter();
        let coding = compression.of_stream(&AcceptedCodings::from_values(values));
        let name = coding.as_ref().map(|coding| coding.name());
        assert_eq!(name, expected, "{accepted}");
    }
}

#[test]
fn a_dictionary_has_few_samples_of_each_kind_and_the_newest_last() {
    let price =
        |n: u32| format!("data: {{\"symbol\":\"SHARE\",\"price\":{n},\"currency\":\"EUR\"}}\n\n");
    let row = |n: u32| format!("data: <tr><td>Row {n}</td><td>open</td></tr>\n");
    let fragment = |n| format!("{}\n", (n..n + 20).map(row).collect::<String>());
    let samples: Vec<_> = (0..100).flat_map(|n| [fragment(n), price(n)]).collect();
    let newest_first: Vec<_> = samples.iter().rev().map(String::as_bytes).collect();
    let dictionary = Dictionary::of_samples(newest_first.iter().copied()).unwrap();
    let text = String::from_utf8(dictionary.bytes().to_vec()).unwrap();
    assert!(
        text.contains("SHARE") && text.contains("<td>Row "),
        "{text}"
    );
    assert!(text.len() < samples.concat().len() / 5, "{}", text.len());
    assert!(text.ends_with(&price(99)), "{text}");
    let common = Dictionary::of_samples([]).unwrap();
    let bytes = |dictionary: &Dictionary| dictionary.compressed_bytes(&newest_first);
    assert!(bytes(&dictionary) * 2 < bytes(&common));
    assert_eq!(dictionary.name().len(), 64);
}

#[test]
fn a_dictionary_is_never_too_long_nor_of_a_form_that_browsers_read_differently() {
    // Each is like the others, and has 5,000 bytes that no other has.
    let noise: Vec<Vec<u8>> = (0..60_u64)
        .map(|n| {
            let word = |m: u64| {
                (n * 1_000 + m)
                    .wrapping_mul(0x9E37_79B9_7F4A_7C15)
                    .to_le_bytes()
            };
            (0..600).chain(59_000..59_100).flat_map(word).collect()
        })
        .collect();
    let dictionary = Dictionary::of_samples(noise.iter().map(Vec::as_slice)).unwrap();
    assert!(dictionary.bytes().len() <= MAX_DICTIONARY_BYTES);
    for wrong in [
        vec![],
        vec![0x37, 0xA4, 0x30, 0xEC, 1, 2, 3],
        vec![b'x'; MAX_DICTIONARY_BYTES + 1],
    ] {
        assert_eq!(Dictionary::new(wrong.into()), None);
    }
}

#[test]
fn the_newest_dictionaries_are_offered_and_a_stream_keeps_its_own() {
    let compression = Compression::new(Compress::Auto);
    let dictionary = |n: usize| Dictionary::new(format!("dictionary {n}").into()).unwrap();
    for n in 0..=MAX_DICTIONARIES {
        compression.offer(dictionary(n));
    }
    compression.offer(dictionary(2));
    assert_eq!(compression.dictionary(), Some(dictionary(2)));
    let is_offered = |n| compression.dictionary_of(&dictionary(n).name()).is_some();
    assert_eq!(
        [0, 1, 2, 3, 4].map(is_offered),
        [false, true, true, true, true]
    );
}
