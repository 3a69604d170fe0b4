use std::io::{ErrorKind, IoSlice};

use proptest::prelude::*;
use rustls::version::{TLS12, TLS13};

use super::*;
use crate::allowance::AT_ONCE;

pub(super) const VERSIONS: [&SupportedProtocolVersion; 2] = [&TLS12, &TLS13];

fn version() -> impl Strategy<Value = &'static SupportedProtocolVersion> {
    prop_oneof![Just(&TLS12), Just(&TLS13)]
}

fn text() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 1..300),
        (1_usize..60_000, any::<u8>()).prop_map(|(length, byte)| vec![byte; length]),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn text_of_a_client_arrives_whatever_the_parts_in_which_it_is_received_and_read(
        version in version(), texts in prop::collection::vec(text(), 1..4),
        per_read in 1_usize..5_000, part in 1_usize..20_000,
    ) {
        let mut connected = Connected::new(version);
        connected.pipe.per_read.set(per_read);
        for text in texts {
            connected.client.set_buffer_limit(None);
            connected.send(&text);
            prop_assert_eq!(connected.read(part).unwrap(), text);
            prop_assert!(!connected.session.has_received());
        }
    }

    #[test]
    fn text_arrives_at_a_client_whose_socket_has_little_room(
        version in version(), texts in prop::collection::vec(text(), 1..4), room in 1_usize..5_000,
    ) {
        let mut connected = Connected::new(version);
        connected.session.take_sent();
        let before = connected.pipe.to_client.borrow().len();
        for text in texts {
            let (mut written, mut received) = (0, Vec::new());
            while written < text.len() {
                connected.pipe.room.set(room);
                let pieces = text[written..].chunks(1_000).map(IoSlice::new).collect::<Vec<_>>();
                match connected.session.write_vectored(&connected.pipe, &pieces) {
                    Ok(length) => written += length,
                    Err(error) => prop_assert_eq!(error.kind(), ErrorKind::WouldBlock),
                }
                let sent = connected.pipe.to_client.borrow().len() - before;
                prop_assert_eq!(connected.session.take_sent(), sent);
                received.extend(connected.received());
            }
            prop_assert_eq!(received, text);
            prop_assert!(!connected.session.is_waiting());
        }
    }

    #[test]
    fn bytes_that_are_no_tls_end_a_handshake_and_a_session_without_a_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..2_000), kind in 19_u8..26, is_later: bool,
    ) {
        let mut connected = Connected::new(&TLS13);
        if !is_later {
            let config = server_config(&current(), &[]).unwrap();
            connected.session = Session::new(config.into()).unwrap();
        }
        // The beginning of a message that needs more than a record, which rustls remembers.
        let mut record = vec![22, 3, 3, 0, 1, 1, kind, 3, 3];
        record.extend(u16::try_from(bytes.len()).unwrap().to_be_bytes());
        record.extend(&bytes);
        connected.pipe.to_server.borrow_mut().extend(record);
        connected.pipe.is_closed.set(true);
        if is_later {
            let _ = connected.read(100);
            let _ = connected.session.discard(&connected.pipe);
            let _ = connected.session.write(&connected.pipe, b"text");
        } else {
            prop_assert!(connected.session.shake_hands(&connected.pipe).is_err());
            prop_assert!(connected.session.shake_hands(&connected.pipe).is_err());
        }
    }
}

pub(super) fn current() -> Arc<Current> {
    let directory = tempfile::tempdir().unwrap();
    make(&directory, "own", &["localhost"]);
    Current::new(Certificates::new(&[pair(&directory, "own")]))
}

#[test]
fn a_session_goes_on_after_new_keys_of_either_side_and_keeps_no_buffer() {
    let mut connected = Connected::new(&TLS13);
    for n in 0..AT_ONCE {
        connected.client.refresh_traffic_keys().unwrap();
        connected.send(b"to the server");
        assert_eq!(connected.read(100).unwrap(), b"to the server", "{n}");
        assert_eq!(
            connected
                .session
                .write(&connected.pipe, b"to the client")
                .unwrap(),
            13
        );
        assert_eq!(connected.received(), b"to the client", "{n}");
        assert_eq!(connected.session.kept_bytes(), 0);
    }
}

#[test]
fn many_new_keys_at_once_are_answered_though_the_client_reads_nothing_meanwhile() {
    let mut connected = Connected::new(&TLS13);
    connected.pipe.room.set(0);
    for _ in 0..30 {
        connected.client.refresh_traffic_keys().unwrap();
        connected.send(b"x");
    }
    assert_eq!(connected.read(100).unwrap().len(), 30);
    connected.pipe.room.set(usize::MAX);
    connected.session.write(&connected.pipe, b"after").unwrap();
    assert_eq!(connected.received(), b"after");
}

#[test]
fn text_is_sent_while_a_record_of_the_client_is_incomplete_and_a_whole_one_unread() {
    for version in VERSIONS {
        let mut connected = Connected::new(version);
        connected.send(&[b'a'; 3_000]);
        connected.send(&[b'b'; 3_000]);
        let last = connected.pipe.to_server.borrow_mut().pop_back().unwrap();
        assert_eq!(
            connected
                .session
                .read(&connected.pipe, &mut [0; 1])
                .unwrap(),
            1
        );
        for _ in 0..3 {
            connected
                .session
                .write(&connected.pipe, b"meanwhile")
                .unwrap();
            assert_eq!(connected.received(), b"meanwhile");
            assert_eq!(
                connected
                    .session
                    .read(&connected.pipe, &mut [0; 1])
                    .unwrap(),
                1
            );
        }
        assert_eq!(connected.read(5_000).unwrap().len(), 2_996);
        connected
            .session
            .write(&connected.pipe, b"meanwhile")
            .unwrap();
        connected.pipe.to_server.borrow_mut().push_back(last);
        assert_eq!(connected.read(5_000).unwrap(), [b'b'; 3_000]);
        assert_eq!(connected.received(), b"meanwhile");
    }
}

#[test]
fn text_that_arrives_together_with_the_end_of_the_handshake_is_read() {
    for version in VERSIONS {
        let mut connected = Connected::started(version);
        connected.flush_client();
        connected.session.shake_hands(&connected.pipe).unwrap();
        // The client's side of TLS 1.3 is complete now, and that of TLS 1.2 is not.
        connected.received();
        connected.send(b"a request");
        connected.shake_hands().unwrap();
        connected.flush_client();
        assert_eq!(connected.read(100).unwrap(), b"a request");
        assert_eq!(connected.session.kept_bytes(), 0);
    }
}

#[test]
fn a_session_ends_when_its_client_says_so_or_disconnects() {
    for version in VERSIONS {
        let mut connected = Connected::new(version);
        connected.send(b"last");
        connected.client.send_close_notify();
        connected.flush_client();
        assert_eq!(connected.read(2).unwrap(), b"last");
        assert_eq!(
            connected
                .session
                .read(&connected.pipe, &mut [0; 9])
                .unwrap(),
            0
        );
        // The other direction is still open.
        connected.session.write(&connected.pipe, b"more").unwrap();
        assert_eq!(connected.received(), b"more");
        let mut connected = Connected::new(version);
        connected.pipe.is_closed.set(true);
        assert_eq!(
            connected
                .session
                .read(&connected.pipe, &mut [0; 9])
                .unwrap(),
            0
        );
        assert_eq!(connected.session.discard(&connected.pipe).unwrap(), 0);
    }
}

#[test]
fn a_client_gets_the_announcement_of_the_end() {
    for version in VERSIONS {
        let mut connected = Connected::new(version);
        connected.session.close(&connected.pipe);
        assert!(connected.received().is_empty());
        let end = connected.client.reader().read(&mut [0; 9]);
        assert_eq!(
            end.unwrap(),
            0,
            "not the error of a connection that was cut"
        );
    }
}

#[test]
fn text_is_discarded_and_a_record_that_is_incomplete_is_kept() {
    let mut connected = Connected::new(&TLS13);
    connected.send(&[0; 3_000]);
    assert_eq!(connected.session.discard(&connected.pipe).unwrap(), 3_000);
    connected.send(&[0; 8_000]);
    let rest = connected.pipe.to_server.borrow_mut().split_off(6_000);
    let waits = connected.session.discard(&connected.pipe).unwrap_err();
    assert_eq!(waits.kind(), ErrorKind::WouldBlock);
    assert!(connected.session.has_partial_record());
    connected.pipe.to_server.borrow_mut().extend(rest);
    assert_eq!(connected.session.discard(&connected.pipe).unwrap(), 8_000);
    assert!(!connected.session.has_partial_record());
}

#[test]
fn a_client_that_ends_with_its_last_message_of_the_handshake_has_shaken_hands() {
    for version in VERSIONS {
        let mut connected = Connected::started(version);
        loop {
            connected.flush_client();
            let step = connected.session.shake_hands(&connected.pipe).unwrap();
            connected.received();
            if step == Step::Done {
                break;
            }
            if !connected.client.is_handshaking() {
                connected.client.send_close_notify();
            }
        }
        assert_eq!(connected.read(16).unwrap(), b"", "{version:?}");
    }
}
