//! An authority that speaks ACME: it checks signatures and nonces, connects to the server to check names, and issues
//! certificates that tests trust.

use std::{
    collections::{HashMap, HashSet},
    fs,
    net::{SocketAddr, TcpListener},
    path::PathBuf,
    sync::{Arc, Condvar, Mutex, MutexGuard},
    thread,
    time::Duration,
};

use rcgen::{CertificateParams, Issuer, KeyPair};
use rustls::{
    ClientConfig, RootCertStore, ServerConfig, crypto::ring::default_provider,
    pki_types::CertificateDer,
};
use serde_json::Value;
use tempfile::TempDir;

/// What is wrong with the authority.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    None,
    /// Orders get this status, without a reason.
    Status(u16),
    /// Orders get 429, a reason with control characters, and have to wait for an hour.
    RateLimited,
    Garbage,
    /// Orders get a body without an end.
    Endless,
    Redirects,
    /// No order is checked: it is refused at once.
    Refuses,
    /// It asks for names that were not ordered.
    OtherNames,
    /// A response begins, and never ends.
    Hangs,
    /// Certificates are not issued until that is over.
    Holds,
    /// Certificates are for another key.
    OtherKey,
}

pub struct Authority {
    state: Arc<State>,
    directory: TempDir,
}

pub struct State {
    pub base: String,
    pub issuer: Issuer<'static, KeyPair>,
    pub root: CertificateDer<'static>,
    pub tls: Arc<ServerConfig>,
    pub inner: Mutex<Inner>,
    pub changed: Condvar,
}

pub struct Inner {
    pub fault: Fault,
    pub nonces: HashSet<String>,
    /// Public keys of accounts.
    pub accounts: Vec<Vec<u8>>,
    pub orders: Vec<Order>,
    pub requests: usize,
    pub ahead: Duration,
    pub leads_to: HashMap<&'static str, SocketAddr>,
    pub has_refused_a_nonce: bool,
    pub is_held: bool,
    /// It wants certificates to be renewed since long ago.
    pub wants_renewals: bool,
}

pub struct Order {
    pub names: Vec<Name>,
    pub chain: Option<String>,
}

pub struct Name {
    pub text: String,
    pub token: String,
    pub status: &'static str,
    pub error: Value,
}

impl Authority {
    pub fn start() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let root = params.self_signed(&key).unwrap();
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("ca.pem"), root.pem()).unwrap();
        let issuer = Issuer::new(params, key);
        let own_key = KeyPair::generate().unwrap();
        let own = CertificateParams::new(["localhost".to_owned()]).unwrap();
        let own = own.signed_by(&own_key, &issuer).unwrap();
        let key = rustls::pki_types::PrivateKeyDer::Pkcs8(own_key.serialize_der().into());
        let tls = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![own.der().clone()], key)
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let inner = Inner {
            fault: Fault::None,
            nonces: HashSet::new(),
            accounts: Vec::new(),
            orders: Vec::new(),
            requests: 0,
            ahead: Duration::ZERO,
            leads_to: HashMap::new(),
            has_refused_a_nonce: false,
            is_held: false,
            wants_renewals: false,
        };
        let state = Arc::new(State {
            base: format!(
                "https://localhost:{}",
                listener.local_addr().unwrap().port()
            ),
            issuer,
            root: root.der().clone(),
            tls: Arc::new(tls),
            inner: Mutex::new(inner),
            changed: Condvar::new(),
        });
        let serving = Arc::clone(&state);
        thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                let state = Arc::clone(&serving);
                thread::spawn(move || state.serve(socket));
            }
        });
        Self { state, directory }
    }

    /// The settings of a server that orders from it, but for the names and the directory.
    pub fn arguments(&self) -> [String; 5] {
        let [directory, ca] = [self.state.base.clone() + "/directory", self.ca()];
        let flags = ["--acme-directory", "--acme-ca", "--acme-agree-tos"].map(str::to_owned);
        let [first, second, third] = flags;
        [first, directory, second, ca, third]
    }

    pub fn ca(&self) -> String {
        let path: PathBuf = self.directory.path().join("ca.pem");
        path.to_str().unwrap().to_owned()
    }

    /// The settings of a client that trusts it alone.
    pub fn client(&self) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.state.root.clone()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        Arc::new(config.with_no_client_auth())
    }

    /// Names lead to this address, for this kind of challenge.
    pub fn leads_to(&self, kind: &'static str, address: SocketAddr) {
        self.state.lock().leads_to.insert(kind, address);
        self.state.changed.notify_all();
    }

    /// Checks wait until names lead somewhere again.
    pub fn leads_nowhere(&self) {
        self.state.lock().leads_to.clear();
    }

    pub fn set_fault(&self, fault: Fault) {
        self.state.lock().fault = fault;
        self.state.changed.notify_all();
    }

    /// Certificates are valid for so many seconds longer: from now on for clients, and for 90 days for the server, whose
    /// clock is ahead.
    pub fn set_ahead(&self, seconds: u64) {
        self.state.lock().ahead = Duration::from_secs(seconds);
    }

    /// How many accounts, orders and requests there were.
    pub fn counts(&self) -> (usize, usize, usize) {
        let inner = self.state.lock();
        (inner.accounts.len(), inner.orders.len(), inner.requests)
    }

    /// It wants all certificates to be renewed at once.
    pub fn want_renewals(&self) {
        self.state.lock().wants_renewals = true;
    }

    /// Whether an order waits for its certificate.
    pub fn is_held(&self) -> bool {
        self.state.lock().is_held
    }
}

impl State {
    pub fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }
}

impl Inner {
    pub fn nonce(&mut self) -> String {
        let nonce = format!("{:x}", fastrand::u128(..));
        self.nonces.insert(nonce.clone());
        nonce
    }

    /// Each nonce is for one request. The first is refused, as by an authority that has restarted.
    pub fn use_nonce(&mut self, nonce: &str) -> bool {
        let is_known = self.nonces.remove(nonce);
        is_known && std::mem::replace(&mut self.has_refused_a_nonce, true)
    }

    pub fn add_account(&mut self, key: Vec<u8>) -> usize {
        self.accounts.push(key);
        self.accounts.len() - 1
    }
}
