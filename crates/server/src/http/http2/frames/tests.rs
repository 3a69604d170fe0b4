use super::*;

fn frame(kind: u8, flags: u8, content: &[u8]) -> Vec<u8> {
    let length = u8::try_from(content.len()).unwrap();
    let header = [0, 0, length, kind, flags, 0, 0, 0, 1];
    [&header[..], content].concat()
}

fn after(bytes: &[u8], size: usize) -> Frames {
    let mut frames = Frames::new(100);
    for piece in [PREFACE, bytes].concat().chunks(size) {
        frames.receive(piece);
    }
    frames
}

#[test]
fn a_head_is_incomplete_until_its_last_frame_has_arrived_whatever_parts_it_arrives_in() {
    let begun = frame(HEADERS, 0, b"abc");
    let more = frame(CONTINUATION, 0, b"");
    let end = frame(CONTINUATION, END_HEADERS, b"de");
    let whole = [&begun[..], &more, &end].concat();
    for size in 1..40 {
        for length in 9..whole.len() {
            let frames = after(&whole[..length], size);
            assert!(frames.head_since().is_some(), "{length} in {size}");
        }
        assert!(after(&whole, size).head_since().is_none(), "{size}");
    }
    let alone = frame(HEADERS, END_HEADERS, b"");
    assert!(after(&alone, 9).head_since().is_none());
}

#[test]
fn frames_that_ask_for_work_are_a_flood_if_there_are_too_many_and_no_others_are() {
    let most = CONTROL_FRAMES as usize;
    let flood = |frame: &[u8], times| after(&frame.repeat(times), 1_000).flood();
    for (kind, flags) in [
        (PING, 0),
        (SETTINGS, 0),
        (2, 0),
        (8, 0),
        (DATA, 0),
        (0xfe, 0),
    ] {
        let frame = frame(kind, flags, b"");
        assert_eq!(flood(&frame, most), None, "{kind}");
        assert_eq!(
            flood(&frame, most + 1),
            Some(Flood::ControlFrames),
            "{kind}"
        );
    }
    assert_eq!(flood(&frame(RST_STREAM, 0, b"1234"), 200), None);
    let resets = flood(&frame(RST_STREAM, 0, b"1234"), 201);
    assert_eq!(resets, Some(Flood::Resets));
    for (kind, flags, content) in [
        (PING, ACK, &b""[..]),
        (SETTINGS, ACK, b""),
        (CONTINUATION, 0, b"x"),
        (DATA, PADDED, b"\0"),
        (DATA, PADDED, b"\x02\0\0"),
    ] {
        let frame = frame(kind, flags, content);
        // One acknowledgement is that of the SETTINGS.
        assert_eq!(flood(&frame, most), None, "{kind}");
        let ended = flood(&frame, most + 2);
        assert_eq!(ended, Some(Flood::ControlFrames), "{kind}");
    }
    let most = DATA_FRAMES as usize;
    for (flags, content) in [
        (0, &b"x"[..]),
        (END_STREAM, b""),
        (PADDED, b"\x01x\0"),
        (PADDED | END_STREAM, b"\0"),
    ] {
        let frame = frame(DATA, flags, content);
        assert_eq!(flood(&frame, most), None, "{flags}");
        assert_eq!(flood(&frame, most + 1), Some(Flood::Data), "{flags}");
    }
    let head = frame(HEADERS, END_HEADERS, b"");
    assert_eq!(flood(&head, HEADS as usize), None);
    assert_eq!(flood(&head, HEADS as usize + 1), Some(Flood::Heads));
}

#[test]
fn long_trailers_take_more_of_the_allowance_than_heads() {
    let content = [b'x'; 160];
    let head = |stream: u8| {
        let mut head = frame(HEADERS, END_HEADERS, &content);
        head[8] = stream;
        head
    };
    let heads: Vec<u8> = (1..=100).flat_map(head).collect();
    assert_eq!(after(&heads, 1_000).flood(), None);
    assert_eq!(after(&head(1).repeat(200), 1_000).flood(), None);
    let flood = after(&head(1).repeat(202), 1_000).flood();
    assert_eq!(flood, Some(Flood::ControlFrames));
}

#[test]
fn what_routes_have_read_and_acknowledgements_that_were_asked_for_take_nothing() {
    let mut frames = after(b"", 1_000);
    for _ in 0..3 * DATA_FRAMES {
        frames.receive(&frame(DATA, 0, b"x"));
        frames.read_data();
        frames.expect_ack();
        frames.receive(&frame(PING, ACK, b""));
    }
    for _ in 0..3 * HEADS {
        frames.receive(&frame(HEADERS, END_HEADERS, b""));
        frames.receive(&frame(HEADERS, END_HEADERS, b"trailers"));
        frames.receive(&frame(DATA, END_STREAM, b""));
        frames.begin_request();
    }
    assert_eq!(frames.flood(), None);
}

#[test]
fn a_client_earns_frames_by_its_requests_and_what_it_is_sent() {
    let mut frames = after(b"", 1_000);
    for _ in 0..3 * CONTROL_FRAMES {
        frames.receive(&frame(8, 0, b"1234").repeat(2));
        frames.earn(1);
    }
    assert_eq!(frames.flood(), None);
}
