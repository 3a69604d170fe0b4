//! What the authority responds.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    sync::Arc,
    thread,
    time::{Duration, SystemTime},
};

use rcgen::{CertificateSigningRequestParams, KeyPair};
use rustls::{ServerConnection, StreamOwned, pki_types::CertificateSigningRequestDer};
use serde_json::{Value, json};

use super::{
    authority::{Fault, Name, Order, State},
    check,
    jws::{self, Jws},
};
use crate::support::PATIENCE;

const DAY: Duration = Duration::from_secs(86_400);

/// A response: status, further headers, body.
pub type Reply = (u16, Vec<(&'static str, String)>, String);

pub fn problem(status: u16, kind: &str, detail: &str) -> Reply {
    let body = json!({"type": format!("urn:ietf:params:acme:error:{kind}"), "detail": detail});
    (status, Vec::new(), body.to_string())
}

impl State {
    pub fn serve(&self, socket: TcpStream) {
        let connection = ServerConnection::new(Arc::clone(&self.tls)).unwrap();
        let mut stream = BufReader::new(StreamOwned::new(connection, socket));
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            match stream.read_line(&mut line) {
                Ok(read) if read > 0 => {}
                // A client that does not trust it, or has gone.
                _ => return,
            }
            if line.trim().is_empty() {
                break;
            }
            lines.push(line.trim().to_ascii_lowercase());
        }
        let length = lines
            .iter()
            .find_map(|line| line.strip_prefix("content-length: "));
        let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
        stream.read_exact(&mut body).unwrap();
        let mut words = lines[0].split(' ');
        let (method, path) = (words.next().unwrap(), words.next().unwrap());
        let (status, headers, reply) = self.reply(method, path, &body);
        let nonce = self.lock().nonce();
        let mut head =
            format!("HTTP/1.1 {status} X\r\nConnection: close\r\nReplay-Nonce: {nonce}\r\n");
        for (name, value) in headers {
            head.push_str(&[name, ": ", &*value, "\r\n"].concat());
        }
        // A client that has gone, or does not read on, is none of the authority's concern.
        let stream = stream.get_mut();
        let _ = match self.fault() {
            Fault::Endless if path == "/new-order" => {
                let _ = write!(stream, "{head}\r\n[");
                while stream.write_all(&[b' '; 1 << 14]).is_ok() {}
                Ok(())
            }
            Fault::Hangs if path == "/new-order" => {
                let _ = write!(stream, "{head}Content-Length: 9\r\n\r\n{{");
                stream.flush().map(|()| thread::sleep(PATIENCE))
            }
            _ if method == "head" => write!(stream, "{head}\r\n"),
            _ => write!(
                stream,
                "{head}Content-Length: {}\r\n\r\n{reply}",
                reply.len()
            ),
        };
        stream.conn.send_close_notify();
        let _ = stream.flush();
    }

    fn fault(&self) -> Fault {
        self.lock().fault
    }

    fn reply(&self, method: &str, path: &str, body: &[u8]) -> Reply {
        self.lock().requests += 1;
        let base = &self.base;
        let parts: Vec<_> = path.split('/').skip(1).collect();
        let index = |n: usize| parts[n].parse::<usize>().unwrap();
        if parts[0] == "renewal-info" {
            return self.renewal_info(parts[1]);
        }
        if method != "post" {
            let directory = json!({
                "newNonce": format!("{base}/new-nonce"),
                "newAccount": format!("{base}/new-account"),
                "newOrder": format!("{base}/new-order"),
                "renewalInfo": format!("{base}/renewal-info"),
            });
            return (200, Vec::new(), directory.to_string());
        }
        let jws = match Jws::read(body, &format!("{base}{path}"), &mut self.lock()) {
            Ok(jws) => jws,
            Err(refused) => return refused,
        };
        match parts[0] {
            "new-account" => {
                assert_eq!(jws.payload["termsOfServiceAgreed"], true);
                let account = self.lock().add_account(jws.key);
                let location = ("Location", format!("{base}/account/{account}"));
                (201, vec![location], json!({"status": "valid"}).to_string())
            }
            "new-order" => self.new_order(&jws),
            "order" => self.order(index(1)),
            "name" => self.name(index(1), index(2)),
            "challenge" => self.challenge(parts[1], index(2), index(3), &jws.thumbprint),
            "finalize" => self.finalize(index(1), &jws),
            "certificate" => {
                let chain = self.lock().orders[index(1)].chain.clone();
                (200, Vec::new(), chain.expect("it is issued"))
            }
            _ => problem(404, "malformed", path),
        }
    }

    /// RFC 9773, section 4.2.
    fn renewal_info(&self, id: &str) -> Reply {
        assert!(id.split('.').count() == 2, "{id}");
        let years = if self.lock().wants_renewals {
            ["2020", "2021"]
        } else {
            ["2098", "2099"]
        };
        let [start, end] = years.map(|year| format!("{year}-01-01T00:00:00Z"));
        let window = json!({"suggestedWindow": {"start": start, "end": end}});
        (
            200,
            vec![("Retry-After", "21600".to_owned())],
            window.to_string(),
        )
    }

    fn new_order(&self, jws: &Jws) -> Reply {
        match self.fault() {
            Fault::Status(status) => return (status, Vec::new(), "<html>".to_owned()),
            Fault::Garbage => return (201, Vec::new(), "{\"status\": 7".to_owned()),
            Fault::Redirects => {
                let location = ("Location", "https://localhost/".to_owned());
                return (302, vec![location], String::new());
            }
            Fault::RateLimited => {
                let mut reply = problem(429, "rateLimited", "too many\r\n\u{1b}[2J orders");
                reply.1.push(("Retry-After", "3600".to_owned()));
                return reply;
            }
            _ => {}
        }
        let names = jws.payload["identifiers"].as_array().unwrap().iter();
        let names = names.map(|name| Name {
            text: match self.fault() {
                Fault::OtherNames => "other.example".to_owned(),
                _ => name["value"].as_str().unwrap().to_owned(),
            },
            token: format!("token-{:x}", fastrand::u128(..)),
            status: "pending",
            error: Value::Null,
        });
        let order = Order {
            names: names.collect(),
            chain: None,
        };
        let mut inner = self.lock();
        inner.orders.push(order);
        let number = inner.orders.len() - 1;
        drop(inner);
        let location = ("Location", format!("{}/order/{number}", self.base));
        (201, vec![location], self.order(number).2)
    }

    fn order(&self, number: usize) -> Reply {
        let (base, inner) = (&self.base, self.lock());
        let order = &inner.orders[number];
        let has = |status| order.names.iter().any(|name| name.status == status);
        let status = match &order.chain {
            Some(_) => "valid",
            None if has("invalid") => "invalid",
            None if has("pending") => "pending",
            None => "ready",
        };
        let names = 0..order.names.len();
        let urls = names.map(|name| format!("{base}/name/{number}/{name}"));
        let state = json!({
            "status": status,
            "identifiers": [],
            "authorizations": urls.collect::<Vec<_>>(),
            "finalize": format!("{base}/finalize/{number}"),
            "certificate": format!("{base}/certificate/{number}"),
        });
        (200, Vec::new(), state.to_string())
    }

    fn name(&self, number: usize, index: usize) -> Reply {
        let inner = self.lock();
        let name = &inner.orders[number].names[index];
        let challenges = ["http-01", "dns-01", "tls-alpn-01"].map(|kind| {
            json!({
                "type": kind,
                "url": format!("{}/challenge/{kind}/{number}/{index}", self.base),
                "token": name.token,
                "status": name.status,
                "error": name.error,
            })
        });
        let state = json!({
            "identifier": {"type": "dns", "value": name.text},
            "status": name.status,
            "challenges": challenges,
        });
        (200, Vec::new(), state.to_string())
    }

    /// Checks the name, as soon as it leads somewhere.
    fn challenge(&self, kind: &str, number: usize, index: usize, thumbprint: &str) -> Reply {
        let mut inner = self.lock();
        let leads_to = loop {
            if let Some(address) = inner.leads_to.get(kind) {
                break *address;
            }
            inner = self.changed.wait_timeout(inner, PATIENCE).unwrap().0;
        };
        let name = &inner.orders[number].names[index];
        let (token, asked) = (name.token.clone(), name.text.clone());
        let is_refused = inner.fault == Fault::Refuses;
        drop(inner);
        let checked = if is_refused {
            Err("no\nwill".to_owned())
        } else {
            check::name(kind, leads_to, &asked, &token, thumbprint)
        };
        let mut inner = self.lock();
        let name = &mut inner.orders[number].names[index];
        name.status = if checked.is_ok() { "valid" } else { "invalid" };
        if let Err(why) = checked {
            let kind = "urn:ietf:params:acme:error:unauthorized";
            name.error = json!({"type": kind, "detail": why});
        }
        let state = json!({"type": kind, "url": "", "token": token, "status": "processing"});
        (200, Vec::new(), state.to_string())
    }

    fn finalize(&self, number: usize, jws: &Jws) -> Reply {
        let mut inner = self.lock();
        while inner.fault == Fault::Holds {
            inner.is_held = true;
            inner = self.changed.wait_timeout(inner, PATIENCE).unwrap().0;
        }
        inner.is_held = false;
        let request = jws::decode(jws.payload["csr"].as_str().unwrap());
        let request = CertificateSigningRequestDer::from(request);
        let mut request = CertificateSigningRequestParams::from_der(&request).unwrap();
        let now = SystemTime::now() - Duration::from_secs(3_600);
        let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap();
        request.params.not_before = rcgen::date_time_ymd(1970, 1, 1) + now;
        request.params.use_authority_key_identifier_extension = true;
        request.params.not_after = request.params.not_before + inner.ahead + 90 * DAY;
        let issued = if inner.fault == Fault::OtherKey {
            let other = KeyPair::generate().unwrap();
            request.params.signed_by(&other, &self.issuer).unwrap()
        } else {
            request.signed_by(&self.issuer).unwrap()
        };
        inner.orders[number].chain = Some(issued.pem());
        drop(inner);
        self.order(number)
    }
}
