//! Who may publish and read, and who operates the server, as the settings say; and the files that say so.

use std::{net::SocketAddr, sync::Arc};

use sse_broadcaster_access::{authorize::Tokens, revocation::Revocations};
use sse_broadcaster_actix::{
    Access, Authorization, KeyRing, Publishers, SubscribeAccess, TrustedProxies,
};
use sse_broadcaster_mercure::Hub;

use super::{
    authorization,
    error::ServeError,
    key_file::{KeySetting, Watched},
    mercure,
};
use crate::config::{BadSetting, Config};

/// Ready for the routes.
pub(crate) struct Admission {
    pub(crate) access: Access,
    pub(crate) authorization: Authorization,
    /// `None` where no client can get a grant.
    pub(crate) revocations: Option<Arc<Revocations>>,
    pub(crate) hub: Option<Arc<Hub>>,
    pub(crate) proxies: TrustedProxies,
    pub(crate) keys: AdmissionKeys,
}

/// The keys that change while the server runs.
#[derive(Clone)]
pub(crate) struct AdmissionKeys {
    pub(crate) publishers: KeyRing,
    pub(crate) operators: KeyRing,
    /// `None` where the settings have no keys of tokens.
    pub(crate) tokens: Option<Arc<Tokens>>,
}

/// The files with keys, which are read again when they change.
#[derive(Debug, Default)]
pub(crate) struct AdmissionFiles {
    pub(crate) publishers: Option<Watched>,
    pub(crate) operators: Option<Watched>,
    pub(crate) tokens: Option<Watched>,
    pub(crate) hub: Option<Watched>,
}

impl AdmissionFiles {
    pub(crate) fn is_empty(&self) -> bool {
        let files = [&self.publishers, &self.operators, &self.tokens, &self.hub];
        files.into_iter().all(Option::is_none)
    }

    /// Reads the files again that have changed, or all if that was requested.
    pub(crate) fn update(&mut self, is_requested: bool) {
        let files = [
            &mut self.publishers,
            &mut self.operators,
            &mut self.tokens,
            &mut self.hub,
        ];
        let files = files.into_iter().flatten();
        files.for_each(|files| files.update(is_requested));
    }
}

impl Admission {
    /// Reads all keys, for a server on these addresses, and returns the files that are read again when they change.
    ///
    /// # Errors
    /// Settings that are missing, not valid, or contradict each other; files that cannot be read.
    pub(crate) fn read(
        config: &Config,
        addresses: &[SocketAddr],
    ) -> Result<(Self, AdmissionFiles), ServeError> {
        let publishers = KeyRing::default();
        let publisher_files = publish_keys(config)?.load_into(&publishers)?;
        config.check_publishing(addresses, !publishers.is_empty())?;
        let proxies = config.trusted_proxies()?;
        let opened = authorization::open(config)?;
        let operators = KeyRing::default();
        let operator_files = admin_keys(config)?.load_into(&operators)?;
        let tokens = opened.grantors.tokens.clone();
        let hub = mercure::open(config, opened.grantors, &operators)?;
        let (hub, hub_files) = hub.map(|opened| (opened.hub, opened.watched)).unzip();
        let files = AdmissionFiles {
            publishers: publisher_files,
            operators: operator_files,
            tokens: opened.watched,
            hub: hub_files.flatten(),
        };
        let admission = Self {
            access: access(config, &publishers),
            authorization: opened.authorization.operators(operators.clone()),
            revocations: opened.revocations,
            hub,
            proxies,
            keys: AdmissionKeys {
                publishers,
                operators,
                tokens,
            },
        };
        Ok((admission, files))
    }

    /// Who may publish, for people.
    pub(crate) fn publishers(&self, config: &Config) -> String {
        let publishers = &self.access.publishers;
        match publishers {
            Publishers::Keys(_) if gives_publish_grants(config) => {
                format!("{publishers}, and clients whose token or session grants it")
            }
            _ => publishers.to_string(),
        }
    }

    /// Whether there are events that some clients may not read.
    pub(crate) fn has_private_events(&self, config: &Config) -> bool {
        self.authorization.subscribe_access() != SubscribeAccess::Open
            || !config.presence.presence.is_empty()
    }
}

pub(super) fn admin_keys(config: &Config) -> Result<KeySetting, BadSetting> {
    Ok(KeySetting {
        name: "keys of operators",
        file_flag: "--admin-key-file",
        fixed: config.checked_admin_keys()?,
        file: config.access.admin_key_file.clone(),
    })
}

pub(super) fn publish_keys(config: &Config) -> Result<KeySetting, BadSetting> {
    Ok(KeySetting {
        name: "publish keys",
        file_flag: "--publish-key-file",
        fixed: config.checked_keys()?,
        file: config.publish_key_file.clone(),
    })
}

fn gives_publish_grants(config: &Config) -> bool {
    config.access.has_grants() || config.mercure.has_publisher_key()
}

pub(super) fn access(config: &Config, keys: &KeyRing) -> Access {
    let publishers = if config.no_publish {
        Publishers::Nobody
    } else if !keys.is_empty() {
        Publishers::Keys(keys.clone())
    } else if config.allow_anonymous_publish {
        Publishers::Anyone
    } else if gives_publish_grants(config) {
        Publishers::Granted
    } else {
        Publishers::Local
    };
    let given = |texts: &[String]| {
        let given = texts.iter().filter(|text| !text.is_empty());
        given.cloned().collect::<Vec<_>>()
    };
    Access::default()
        .publishers(publishers)
        .publish_origins(given(&config.publish_origin))
        .read_origins(given(&config.cors_origin))
        .hosts(given(&config.host))
        .get_publishes(!config.no_get_publish)
        .max_per_address(config.max_subscribers_per_address)
}
