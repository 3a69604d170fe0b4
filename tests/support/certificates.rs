//! Certificates for TLS, created for each test.

use std::{fs, path::Path, process::Command};

/// An authority (`ca.pem`), and a certificate for `localhost` by it (`its.pem`, `its.key`).
pub fn make(directory: &Path) {
    fs::write(directory.join("names"), "subjectAltName=DNS:localhost\n").unwrap();
    let openssl = |args: &str| {
        let made = Command::new("openssl")
            .args(args.split(' '))
            .current_dir(directory)
            .output()
            .expect("openssl is installed");
        assert!(made.status.success(), "{made:?}");
    };
    openssl("req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 2 -subj /CN=test");
    openssl("req -newkey rsa:2048 -nodes -keyout its.key -out its.csr -subj /CN=localhost");
    openssl(
        "x509 -req -in its.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out its.pem -days 2 \
         -extfile names",
    );
}
