//! HTTPS for tests that speak HTTP: a tunnel to a server, which encrypts what a test sends.

use std::{
    fs::Permissions,
    io,
    net::{Ipv4Addr, SocketAddr},
    os::unix::fs::PermissionsExt as _,
    path::Path,
    sync::{Arc, OnceLock},
    time::Duration,
};

use super::wait_until;
use rustls::{
    ALL_VERSIONS, ClientConfig, ConfigBuilder, DigitallySignedStruct, RootCertStore,
    SignatureScheme, SupportedProtocolVersion, WantsVerifier,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::ring::default_provider,
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use socket2::{Domain, SockRef, Socket, Type};
use tempfile::TempDir;
use tokio::{
    io::copy_bidirectional_with_sizes,
    net::{TcpListener, TcpStream},
    runtime::Runtime,
    task::JoinHandle,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

/// A client that does not read soon holds little of what a server sends.
const BUFFER_BYTES: usize = 16 << 10;

/// A certificate for `localhost`, with its key, for all tests of this process.
pub struct Identity {
    directory: TempDir,
    config: Arc<ClientConfig>,
    roots: RootCertStore,
}

impl Identity {
    pub fn get() -> &'static Self {
        static IDENTITY: OnceLock<Identity> = OnceLock::new();
        IDENTITY.get_or_init(Self::make)
    }

    fn make() -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("own.crt"), made.cert.pem()).unwrap();
        let key = made.signing_key.serialize_pem();
        let path = directory.path().join("own.key");
        std::fs::write(&path, key).unwrap();
        std::fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(made.cert.der().clone()).unwrap();
        let config = client(ALL_VERSIONS).with_root_certificates(roots.clone());
        Self {
            directory,
            config: Arc::new(config.with_no_client_auth()),
            roots,
        }
    }

    /// The settings of a client that trusts it.
    pub fn config(&self) -> &Arc<ClientConfig> {
        &self.config
    }

    /// Those of a client that speaks only this version.
    pub fn config_of(&self, version: &'static SupportedProtocolVersion) -> Arc<ClientConfig> {
        let config = client(&[version]).with_root_certificates(self.roots.clone());
        Arc::new(config.with_no_client_auth())
    }

    /// Those of a client that trusts every server.
    pub fn trusting_all() -> Arc<ClientConfig> {
        let config = client(ALL_VERSIONS).dangerous();
        let config = config.with_custom_certificate_verifier(Arc::new(TrustsAll));
        Arc::new(config.with_no_client_auth())
    }

    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The arguments with which a server has it.
    pub fn arguments(&self) -> [String; 4] {
        let path = |name| self.directory().join(name).to_str().unwrap().to_owned();
        [
            "--tls-cert".into(),
            path("own.crt"),
            "--tls-key".into(),
            path("own.key"),
        ]
    }
}

fn client(
    versions: &[&'static SupportedProtocolVersion],
) -> ConfigBuilder<ClientConfig, WantsVerifier> {
    let provider = Arc::new(default_provider());
    let builder = ClientConfig::builder_with_provider(provider);
    builder.with_protocol_versions(versions).unwrap()
}

#[derive(Debug)]
struct TrustsAll;

impl ServerCertVerifier for TrustsAll {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let provider = default_provider();
        let algorithms = provider.signature_verification_algorithms;
        algorithms.supported_schemes()
    }
}

/// A tunnel, until it is dropped.
pub struct Tunnel {
    address: SocketAddr,
    accepting: JoinHandle<()>,
}

impl Tunnel {
    /// To the server at this address.
    pub fn open(server: SocketAddr) -> Self {
        // With the same port, so that `Host` is the same.
        let address = SocketAddr::new(Ipv4Addr::new(127, 0, 0, 2).into(), server.port());
        let mut listener = None;
        wait_until("nobody else uses the address of the tunnel", || {
            listener = std::net::TcpListener::bind(address).ok();
            listener.is_some()
        });
        let listener = listener.expect("it was bound");
        listener.set_nonblocking(true).unwrap();
        let accepting = runtime().spawn(async move {
            let listener = TcpListener::from_std(listener).unwrap();
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(connect(client, server));
            }
        });
        Self { address, accepting }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| Runtime::new().unwrap())
}

/// Connects a client with the server. If the server resets its connection, so is that of the client.
async fn connect(mut client: TcpStream, server: SocketAddr) {
    let _ = SockRef::from(&client).set_send_buffer_size(BUFFER_BYTES);
    let result = match encrypted(server).await {
        Ok(mut encrypted) => {
            let copying = copy_bidirectional_with_sizes(
                &mut client,
                &mut encrypted,
                BUFFER_BYTES,
                BUFFER_BYTES,
            );
            copying.await.map(drop)
        }
        Err(error) => Err(error),
    };
    if result.is_err_and(|error| error.kind() == io::ErrorKind::ConnectionReset) {
        let _ = SockRef::from(&client).set_linger(Some(Duration::ZERO));
    }
}

async fn encrypted(server: SocketAddr) -> io::Result<TlsStream<TcpStream>> {
    let socket = Socket::new(Domain::for_address(server), Type::STREAM, None)?;
    socket.set_recv_buffer_size(BUFFER_BYTES)?;
    socket.connect(&server.into())?;
    socket.set_nonblocking(true)?;
    let io = TcpStream::from_std(socket.into())?;
    io.set_nodelay(true)?;
    let name = ServerName::try_from("localhost").map_err(io::Error::other)?;
    let connector = TlsConnector::from(Arc::clone(Identity::get().config()));
    connector.connect(name, io).await
}
