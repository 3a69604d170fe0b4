//! Where PostgreSQL is, and how a connection to it is made.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio_postgres::{
    Config, NoTls,
    config::{Host, SslMode, TargetSessionAttrs},
};

use super::{
    connection::{Connection, Listener, Server, drive},
    error::{PgError, within},
    schema::{self, Schema},
    statements::Statements,
    tls::Tls,
};

/// How long the tables may take to be made or upgraded, while other nodes do the same.
const PREPARE_WITHIN: Duration = Duration::from_secs(30);
/// How long what was sent may go unacknowledged by the other machine.
const UNACKNOWLEDGED_WITHIN: Duration = Duration::from_secs(5);
/// The statements of this crate know which index they use, before any statistics do; and each is bounded.
const SESSION: &str = "SET enable_seqscan = off; SET enable_bitmapscan = off; SET enable_sort = off; \
    SET enable_hashjoin = off; SET enable_mergejoin = off; SET jit = off; SET plan_cache_mode = force_generic_plan; \
    SET client_min_messages = warning";

/// The URL or the name of the schema cannot be used. It has no source, since that may repeat the password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadUrl(pub(super) String);

/// Where PostgreSQL is. What it shows of itself is free of the user and the password.
#[derive(Clone)]
pub(crate) struct Address {
    config: Config,
    tls: Option<Tls>,
    pub(super) schema: Schema,
    text: String,
    made: Arc<AtomicU64>,
    max_event_bytes: i64,
    /// How long a connection may take to be made, with its authentication, and a reply.
    pub(super) timeout: Duration,
}

impl Address {
    pub(super) fn parse(
        url: &str,
        schema: &str,
        max_event_bytes: usize,
        timeout: Duration,
    ) -> Result<Self, BadUrl> {
        let schema = Schema::new(schema).map_err(BadUrl)?;
        let (url, is_checked) = with_known_sslmode(url)?;
        // What the library says of a URL may repeat it, with the password.
        let mut config: Config = url.parse().map_err(|_| not_a_url())?;
        if config.get_hosts().is_empty() {
            return Err(not_a_url());
        }
        if config.get_hosts().len() > 1 {
            config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        }
        if config.get_application_name().is_none() {
            config.application_name("sse-broadcaster");
        }
        config
            .connect_timeout(timeout)
            .tcp_user_timeout(UNACKNOWLEDGED_WITHIN);
        let tls = match config.get_ssl_mode() {
            SslMode::Disable => None,
            SslMode::Prefer if !is_checked => Some(Tls::unchecked()),
            _ => Some(Tls::checked()),
        };
        let tls = tls.transpose();
        Ok(Self {
            text: shown(&config),
            tls: tls.map_err(|why| BadUrl(format!("TLS cannot be used: {why}")))?,
            config,
            schema,
            made: Arc::default(),
            max_event_bytes: i64::try_from(max_event_bytes).unwrap_or(i64::MAX),
            timeout,
        })
    }

    /// A connection to a primary, with the tables there and the statements prepared. Notifications go to `listener`.
    pub(super) async fn connect_with(
        &self,
        listener: Option<Listener>,
    ) -> Result<Connection, PgError> {
        let mut client = within(self.timeout, self.open(listener)).await?;
        let prepared = async {
            // So much less than a reply may take that the end of each statement is known.
            let milliseconds = (self.timeout * 3 / 4).as_millis();
            let server = Server::of(&client).await?;
            client.batch_execute(SESSION).await?;
            schema::prepare(&mut client, &self.schema, self.max_event_bytes).await?;
            let bounded = format!(
                "SET statement_timeout = {milliseconds}; SET idle_in_transaction_session_timeout = {milliseconds}"
            );
            client.batch_execute(&bounded).await?;
            let statements = Statements::prepare(&client, &self.schema).await?;
            Ok::<_, PgError>((server, statements))
        };
        let (server, statements) = within(PREPARE_WITHIN, prepared).await?;
        Ok(Connection {
            client: Arc::new(client),
            statements: Arc::new(statements),
            number: self.made.fetch_add(1, Ordering::Relaxed),
            server,
        })
    }

    pub(super) async fn open(
        &self,
        listener: Option<Listener>,
    ) -> Result<tokio_postgres::Client, PgError> {
        if let Some(tls) = &self.tls {
            let (client, connection) = self.config.connect(tls.clone()).await?;
            tokio::spawn(drive(connection, listener));
            return Ok(client);
        }
        let (client, connection) = self.config.connect(NoTls).await?;
        tokio::spawn(drive(connection, listener));
        Ok(client)
    }
}

/// The URL in words that the library knows, and whether certificates are checked. It has no `verify-full`, and leaves
/// it to us what `require` means.
fn with_known_sslmode(url: &str) -> Result<(String, bool), BadUrl> {
    let is_url = ["postgres://", "postgresql://"].into_iter();
    if !is_url.clone().any(|scheme| url.starts_with(scheme)) {
        return Err(not_a_url());
    }
    let Some((base, query)) = url.split_once('?') else {
        return Ok((url.to_owned(), false));
    };
    let mut is_checked = false;
    let mut pairs = Vec::new();
    for pair in query.split('&') {
        let mode = pair.strip_prefix("sslmode=");
        match mode {
            Some("verify-full" | "verify-ca" | "require") => {
                is_checked = true;
                pairs.push("sslmode=require");
            }
            Some("disable" | "prefer") | None => pairs.push(pair),
            Some(_) => {
                return Err(BadUrl(
                    "sslmode is none of disable, prefer, require and verify-full".into(),
                ));
            }
        }
    }
    Ok((format!("{base}?{}", pairs.join("&")), is_checked))
}

fn not_a_url() -> BadUrl {
    BadUrl("this is no URL of PostgreSQL; write postgres://user:password@host:5432/database".into())
}

fn shown(config: &Config) -> String {
    let ports = config.get_ports();
    let hosts = config.get_hosts().iter().enumerate();
    let hosts: Vec<_> = hosts
        .map(|(index, host)| {
            let port = ports.get(index).or(ports.first()).copied().unwrap_or(5432);
            match host {
                Host::Tcp(name) => format!("{name}:{port}"),
                Host::Unix(path) => format!("{}:{port}", path.display()),
            }
        })
        .collect();
    let database = config.get_dbname().or(config.get_user());
    format!(
        "postgres://{}/{}",
        hosts.join(","),
        database.unwrap_or_default()
    )
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Result<Address, BadUrl> {
        Address::parse(url, "sse_broadcaster", 1, Duration::from_secs(1))
    }

    #[test]
    fn what_is_shown_of_an_address_has_no_user_and_no_password() {
        for (url, text) in [
            ("postgres://me:secret@host/db", "postgres://host:5432/db"),
            (
                "postgresql://me:secret@a:1,b:2/db?sslmode=require",
                "postgres://a:1,b:2/db",
            ),
            (
                "postgres://me:secret@%2Frun%2Fpg/db",
                "postgres:///run/pg:5432/db",
            ),
        ] {
            assert_eq!(parse(url).ok().unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_certificate_is_checked_unless_tls_is_only_preferred() {
        for (mode, checked) in [
            ("", false),
            ("?sslmode=prefer", false),
            ("?sslmode=require", true),
            ("?connect_timeout=3&sslmode=verify-full", true),
            ("?sslmode=verify-ca", true),
        ] {
            let url = format!("postgres://host/db{mode}");
            assert_eq!(with_known_sslmode(&url).unwrap().1, checked, "{mode}");
        }
    }

    #[test]
    fn what_is_no_url_is_refused_without_repeating_it() {
        for url in [
            "redis://:secret@host",
            "postgres://me:secret@host/db?sslmode=allow",
            "postgres://me:secret@host:port/db",
            "host=secret",
            "postgres://me:secret@",
        ] {
            let refused = parse(url).err().expect(url).to_string();
            assert!(!refused.contains("secret"), "{refused}");
        }
    }
}
