//! How an authority checks that a name leads to a server.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    sync::Arc,
};

use ring::digest::{SHA256, digest};
use rustls::{ClientConfig, ClientConnection, StreamOwned, pki_types::ServerName};

use crate::support::{PATIENCE, tunnel::Identity};

pub const PROTOCOL: &[u8] = b"acme-tls/1";

/// By a challenge of this kind.
pub fn name(
    kind: &str,
    address: SocketAddr,
    name: &str,
    token: &str,
    thumbprint: &str,
) -> Result<(), String> {
    let proof = format!("{token}.{thumbprint}");
    match kind {
        "http-01" => http(address, name, token, &proof),
        "tls-alpn-01" => {
            let served = tls(address, name, &[PROTOCOL])?;
            has_proof(&served, name, &proof)
        }
        _ => Err(format!("{kind} is not tried")),
    }
}

fn connect(address: SocketAddr) -> Result<TcpStream, String> {
    let socket = TcpStream::connect(address).map_err(|error| error.to_string())?;
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    Ok(socket)
}

/// The certificate for this name and these protocols, of which the server must have chosen the one of challenges. It
/// closes the connection, whatever is sent on it.
pub fn tls(address: SocketAddr, name: &str, protocols: &[&[u8]]) -> Result<Vec<u8>, String> {
    let mut config: ClientConfig = (*Identity::trusting_all()).clone();
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut client = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut socket = connect(address)?;
    while client.is_handshaking() {
        client
            .complete_io(&mut socket)
            .map_err(|error| error.to_string())?;
    }
    if client.alpn_protocol() != Some(PROTOCOL) {
        return Err("the server does not speak acme-tls/1".to_owned());
    }
    let served = client.peer_certificates().unwrap();
    assert_eq!(served.len(), 1);
    let served = served[0].to_vec();
    let mut stream = StreamOwned::new(client, socket);
    // It may be closed already.
    let _ = stream.write_all(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let mut response = Vec::new();
    let _ = stream.read_to_end(&mut response);
    assert!(response.is_empty(), "HTTP is served on it");
    Ok(served)
}

/// RFC 8737, section 3: a critical extension with the digest of the proof, and the name alone.
fn has_proof(certificate: &[u8], name: &str, proof: &str) -> Result<(), String> {
    let mut extension = vec![6, 8, 0x2b, 6, 1, 5, 5, 7, 1, 31, 1, 1, 0xff, 4, 34, 4, 32];
    extension.extend_from_slice(digest(&SHA256, proof.as_bytes()).as_ref());
    let length = u8::try_from(name.len()).unwrap();
    let names = [&[0x30, length + 2, 0x82, length], name.as_bytes()].concat();
    let has = |part: &[u8]| certificate.windows(part.len()).any(|bytes| bytes == part);
    if has(&extension) && has(&names) {
        Ok(())
    } else {
        Err("the certificate does not prove the name".to_owned())
    }
}

fn http(address: SocketAddr, name: &str, token: &str, proof: &str) -> Result<(), String> {
    let mut socket = connect(address)?;
    let path = format!("/.well-known/acme-challenge/{token}");
    write!(socket, "GET {path} HTTP/1.1\r\nHost: {name}\r\n\r\n").unwrap();
    let response = crate::support::Response::read(socket);
    if response.status == 200 && response.body == proof.as_bytes() {
        Ok(())
    } else {
        Err(format!("{response:?}"))
    }
}
