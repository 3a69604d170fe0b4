//! What clients send that is not valid, or more than they need.

use std::io::ErrorKind;

use rustls::{AlertDescription, version::TLS13};

use super::{
    sessions::{VERSIONS, current},
    *,
};
use crate::allowance::AT_ONCE;

#[test]
fn a_client_that_does_not_speak_tls_is_recognized_and_sent_no_record() {
    for (bytes, has_records) in [
        (&b"GET / HTTP/1.1\r\n\r\n"[..], false),
        (&[22, 3, 1, 0, 4, 9, 0, 0, 0], true),
    ] {
        let pipe = Pipe::default();
        pipe.room.set(usize::MAX);
        pipe.per_read.set(usize::MAX);
        pipe.to_server.borrow_mut().extend(bytes);
        let config = server_config(&current(), &[]).unwrap();
        let mut session = Session::new(config.into()).unwrap();
        assert!(session.shake_hands(&pipe).is_err());
        assert_eq!(session.has_records(), has_records);
        assert_eq!(pipe.to_client.borrow().is_empty(), !has_records);
    }
}

#[test]
fn a_handshake_in_endless_small_parts_is_refused() {
    let config = server_config(&current(), &[]).unwrap();
    let mut session = Session::new(config.into()).unwrap();
    let pipe = Pipe::default();
    pipe.room.set(usize::MAX);
    pipe.per_read.set(usize::MAX);
    // A hello of 64 KB, each byte in a record of its own.
    let hello = [1, 0, 0xFF, 0xFF]
        .into_iter()
        .chain(std::iter::repeat_n(3, 0xFFFF));
    let records = hello.flat_map(|byte| [22, 3, 1, 0, 1, byte]);
    pipe.to_server.borrow_mut().extend(records);
    let refused = loop {
        match session.shake_hands(&pipe) {
            Ok(step) => assert_eq!(step, Step::WaitsForClient, "it ends"),
            Err(error) => break error,
        }
        assert!(!pipe.to_server.borrow().is_empty());
    };
    assert_eq!(refused.kind(), ErrorKind::InvalidData);
}

#[test]
fn a_client_that_announces_new_keys_again_and_again_is_refused_also_between_texts() {
    for text in [&b"x"[..], b""] {
        let mut connected = Connected::new(&TLS13);
        for _ in 0..=AT_ONCE {
            connected.client.refresh_traffic_keys().unwrap();
            connected.send(text);
        }
        let mut read = 0;
        let refused = loop {
            match connected.session.read(&connected.pipe, &mut [0; 100]) {
                Ok(count) => read += count,
                Err(refused) => break refused,
            }
        };
        assert_eq!(refused.kind(), ErrorKind::InvalidData, "{refused}");
        assert!(read <= (AT_ONCE + 1) * text.len(), "{read}");
        let mut connected = Connected::new(&TLS13);
        for _ in 0..=AT_ONCE {
            connected.client.refresh_traffic_keys().unwrap();
            connected.send(text);
        }
        let refused = loop {
            if let Err(refused) = connected.session.discard(&connected.pipe) {
                break refused;
            }
        };
        assert_eq!(refused.kind(), ErrorKind::InvalidData, "{refused}");
    }
}

#[test]
fn a_client_is_sent_the_alert_that_says_what_was_not_valid_after_the_text_before_it_is_read() {
    for (version, discards) in VERSIONS.into_iter().flat_map(|v| [(v, false), (v, true)]) {
        let mut connected = Connected::new(version);
        connected.send(b"before");
        connected.send(b"broken");
        *connected.pipe.to_server.borrow_mut().back_mut().unwrap() ^= 1;
        let mut step = || {
            if discards {
                return connected.session.discard(&connected.pipe);
            }
            connected.session.read(&connected.pipe, &mut [0; 100])
        };
        if !discards {
            assert_eq!(step().unwrap(), 6, "{version:?}");
        }
        assert_eq!(step().unwrap_err().kind(), ErrorKind::InvalidData);
        let mut sent = connected.pipe.to_client.borrow_mut();
        connected.client.read_tls(&mut *sent).unwrap();
        let told = connected.client.process_new_packets().unwrap_err();
        let alert = rustls::Error::AlertReceived(AlertDescription::BadRecordMac);
        assert_eq!(told, alert, "{version:?}");
    }
}
